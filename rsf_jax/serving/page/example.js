// The webcam to the server and its mask back, in one page. The page of the server does more.

const canvas = document.getElementById("out");
const said = document.getElementById("said");

async function json(method, path, body) {
  const answer = await fetch(path, { method, body: body && JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error.message);
  return told;
}

// A message: 4 bytes with the length of a header of JSON, the header, the parts that it names.
function unpack(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const mask = about.parts.find((part) => part.name === "mask");
  return { about, mask: mask && new Uint8Array(buffer, 4 + size, mask.bytes) };
}

async function begin() {
  const { models: [model] } = await json("GET", "/v1/models");
  const { width, height } = model.frame;
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
  await video.play();

  // JPEG frames of any size; old ones give way to new ones; masks as bytes.
  const options = { frames: "image", masks: "raw", when_full: "drop_oldest" };
  const { stream } = await json("POST", "/v1/streams", options);
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/v1/streams/${stream}/frames`, "rsf.v1");
  socket.binaryType = "arraybuffer";

  const small = new OffscreenCanvas(160, 160);
  const send = async () => {
    small.getContext("2d").drawImage(video, 0, 0, small.width, small.height);
    socket.send(await small.convertToBlob({ type: "image/jpeg" }));
  };
  const draw = (mask) => {
    const pixels = new ImageData(width, height);
    mask.forEach((kind, i) => pixels.data.set([...model.colors[kind], kind === model.background ? 0 : 150], 4 * i));
    const layer = new OffscreenCanvas(width, height);
    layer.getContext("2d").putImageData(pixels, 0, 0);
    const drawing = canvas.getContext("2d");
    drawing.drawImage(video, 0, 0, canvas.width, canvas.height);
    drawing.drawImage(layer, 0, 0, canvas.width, canvas.height);
  };
  socket.onopen = send;
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") throw new Error(JSON.parse(data).error.message);
    const { about, mask } = unpack(data);
    if (mask) draw(mask);
    said.textContent = `frame ${about.index}: ${about.steps} steps, ${Math.round(1000 * about.seconds)} ms`;
    send(); // the next one, once this one is answered
  };
  socket.onclose = ({ reason }) => (said.textContent = reason || "the server has ended it");
}

canvas.addEventListener("click", () => begin().catch((error) => (said.textContent = error.message)), { once: true });
