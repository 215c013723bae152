// Shows what the server feeds, and sends frames of the webcam or of a file to streams of its own.

const get = (id) => document.getElementById(id);
const STRIP = 80; // frames in a strip
const RATE = 15; // frames a second of the webcam or a file
let token = new URLSearchParams(location.hash.slice(1)).get("token") ?? sessionStorage.getItem("token") ?? "";
history.replaceState(null, "", location.pathname); // the token need not stay in sight
const cards = new Map();
let model = null;
let control = false;

// ---- the server

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function call(method, path, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) {
    let message = answer.statusText;
    try {
      message = JSON.parse(text).error.message;
    } catch {
      // the status says what there is to say
    }
    throw new Refused(answer.status, message);
  }
  return text ? JSON.parse(text) : null;
}

function socket(path) {
  const protocols = token ? ["rsf.v1", `bearer.${token}`] : ["rsf.v1"];
  const made = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}${path}`, protocols);
  made.binaryType = "arraybuffer";
  return made;
}

function unpack(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  let place = 4 + size;
  const parts = {};
  for (const part of about.parts) {
    parts[part.name] = { ...part, content: new Uint8Array(buffer, place, part.bytes) };
    place += part.bytes;
  }
  return { about, parts };
}

// ---- one stream on the page

class Card {
  constructor(name, own, title = name) {
    this.name = name;
    this.own = own; // whether the server feeds it
    this.steps = [];
    this.paused = false;
    this.node = get("card").content.firstElementChild.cloneNode(true);
    this.picture = this.node.querySelector(".picture");
    this.strip = this.node.querySelector(".strip");
    this.numbers = this.node.querySelector(".numbers");
    this.mask = document.createElement("canvas");
    this.node.querySelector("h2").textContent = title;
    this.picture.setAttribute("aria-label", `${title} with the classes in color`);
    this.picture.width = 320;
    this.picture.height = Math.round((320 * model.frame.height) / model.frame.width);
    this.on("pause", () => this.pause());
    this.on("reset", () => this.reset());
    for (const name of ["pause", "reset"]) this.node.querySelector(`.${name}`).disabled = own && !control;
    cards.set(name, this);
    // One's own first, then by name, however they came.
    const order = [...cards.values()].sort((a, b) => a.own - b.own || a.name.localeCompare(b.name, "en", { numeric: true }));
    get("streams").insertBefore(this.node, order[order.indexOf(this) + 1]?.node ?? null);
    showEmpty();
  }

  on(name, act) {
    this.node.querySelector(`.${name}`).addEventListener("click", () => Promise.resolve(act()).catch(tell));
  }

  async pause() {
    this.paused = !this.paused;
    if (this.own) await call("POST", `/v1/streams/${this.name}/${this.paused ? "pause" : "resume"}`);
    this.showPaused();
  }

  showPaused() {
    this.node.querySelector(".pause").textContent = this.paused ? "Resume" : "Pause";
  }

  async reset() {
    await call("POST", `/v1/streams/${this.name}/reset`);
  }

  remove() {
    this.node.remove();
    cards.delete(this.name);
    showEmpty();
  }

  // image: anything that a canvas draws; mask: class indices
  draw(image, mask) {
    const drawing = this.picture.getContext("2d");
    const { width, height } = this.picture;
    drawing.imageSmoothingEnabled = image.width > 160 || image.videoWidth > 160;
    drawing.drawImage(image, ...covering(image, width / height), 0, 0, width, height);
    if (!mask) return;
    const [rows, columns] = mask.shape;
    this.mask.width = columns;
    this.mask.height = rows;
    const pixels = new ImageData(columns, rows);
    const alpha = Math.round(255 * get("opacity").value);
    mask.content.forEach((kind, place) => {
      const color = model.colors[kind];
      pixels.data.set([...color, kind === model.background ? 0 : alpha], 4 * place);
    });
    this.mask.getContext("2d").putImageData(pixels, 0, 0);
    drawing.imageSmoothingEnabled = false;
    drawing.drawImage(this.mask, 0, 0, width, height);
  }

  // steps of frames, oldest first; fresh: whether the last began from a fresh state
  add(steps, fresh) {
    for (const n of steps) this.steps.push({ n, fresh: false });
    if (this.steps.length && fresh) this.steps.at(-1).fresh = true;
    this.steps.splice(0, this.steps.length - STRIP);
    this.drawStrip();
  }

  drawStrip() {
    const style = getComputedStyle(document.documentElement);
    const scale = window.devicePixelRatio || 1;
    const width = (this.strip.width = Math.round(this.strip.clientWidth * scale));
    const height = (this.strip.height = Math.round(this.strip.clientHeight * scale));
    const drawing = this.strip.getContext("2d");
    const bar = width / STRIP;
    const most = Math.max(4, ...[...cards.values()].flatMap((card) => card.steps.map(({ n }) => n)));
    this.steps.forEach(({ n, fresh }, place) => {
      const left = width - (this.steps.length - place) * bar;
      if (fresh) {
        drawing.fillStyle = style.getPropertyValue("--fresh");
        drawing.fillRect(left, 0, Math.max(1, bar / 3), height);
      }
      drawing.fillStyle = style.getPropertyValue(n < 0 ? "--wrong" : n ? "--accent" : "--line");
      const tall = n > 0 ? (height * Math.min(n, most)) / most : 2 * scale;
      drawing.fillRect(left, height - tall, Math.max(1, bar - scale), tall);
    });
  }

  tell(about, rate) {
    const counted = this.steps.filter(({ n }) => n >= 0);
    const steps = counted.reduce((sum, { n }) => sum + n, 0) / Math.max(1, counted.length);
    const latency = (1000 * about.seconds).toFixed(0);
    this.numbers.textContent = `${rate.toFixed(1)} frames/s · ${steps.toFixed(2)} steps a frame · ${latency} ms`;
  }
}

// The part of an image, from its middle, that has the shape of a frame.
function covering(image, shape) {
  const width = image.videoWidth || image.width;
  const height = image.videoHeight || image.height;
  const [w, h] = width / height > shape ? [height * shape, height] : [width, width / shape];
  return [(width - w) / 2, (height - h) / 2, w, h];
}

// ---- what the server feeds

async function shown(part) {
  return createImageBitmap(new Blob([part.content], { type: part.type }));
}

async function showResult({ about, parts }, rates) {
  const card = cards.get(about.stream) ?? new Card(about.stream, true);
  const image = await shown(parts.frame);
  card.draw(image, parts.mask);
  image.close();
  card.add(about.strip, about.first);
  card.tell(about, rates.get(about.stream) ?? 0);
}

let before = null;

function showAccount(account, rates) {
  const now = account.statistics;
  const frames = now.done + now.cut + now.repeated;
  if (before) {
    const seconds = (performance.now() - before.when) / 1000;
    const fresh = frames - before.frames;
    get("rate").textContent = (fresh / seconds).toFixed(1);
    if (fresh > 0) {
      get("steps").textContent = ((now.useful_steps - before.now.useful_steps) / fresh).toFixed(2);
      get("repeated").textContent = `${Math.round((100 * (now.repeated - before.now.repeated)) / fresh)} %`;
    }
  }
  if (!before || performance.now() - before.when > 1900) before = { now, frames, when: performance.now() };
  get("useful").textContent = `${Math.round(100 * now.useful_share)} %`;
  const times = Object.values(now.latency).map((s) => (1000 * s).toFixed(0));
  get("latency").textContent = times.length ? times.join(" / ") : "–";
  get("waiting").textContent = `${now.waiting} / ${now.dropped}`;
  for (const told of account.streams) {
    rates.set(told.stream, told.frames_per_second);
    const card = cards.get(told.stream);
    if (card?.own && card.paused !== told.paused) {
      card.paused = told.paused;
      card.showPaused();
    }
  }
  for (const card of cards.values()) {
    if (card.own && !account.streams.some((told) => told.stream === card.name)) card.remove();
  }
  if (account.policy !== model.policy) readPolicy(account.policy);
}

function watch() {
  const rates = new Map();
  const watching = socket("/v1/watch");
  let drawing = Promise.resolve();
  watching.onopen = () => state("live");
  watching.onmessage = ({ data }) => {
    if (typeof data === "string") showAccount(JSON.parse(data), rates);
    else drawing = drawing.then(() => showResult(unpack(data), rates)).catch(tell);
  };
  watching.onclose = () => {
    state("the server is away; trying again", true);
    setTimeout(watch, 2000);
  };
}

// ---- what this browser feeds

class Sent extends Card {
  constructor(name, video, title) {
    super(name, false, title);
    this.video = video;
    this.scratch = document.createElement("canvas");
    this.scratch.width = model.frame.width;
    this.scratch.height = model.frame.height;
    this.results = []; // times of the last
    this.unanswered = 0;
    const remove = this.node.querySelector(".remove");
    remove.hidden = false;
    remove.addEventListener("click", () => this.end());
    this.socket = socket(`/v1/streams/${name}/frames`);
    this.socket.onopen = () => this.send();
    this.socket.onmessage = ({ data }) => this.take(data);
    this.socket.onclose = ({ reason }) => this.over || this.end(`${title}: ${reason || "the server has ended it"}`);
  }

  send() {
    if (this.over) return;
    setTimeout(() => this.send(), 1000 / RATE);
    const ready = this.video.readyState === undefined || this.video.readyState >= 2;
    if (this.paused || !ready || this.unanswered > 4 || this.socket.readyState !== WebSocket.OPEN) return;
    const { width, height } = this.scratch;
    const drawing = this.scratch.getContext("2d", { willReadFrequently: true });
    drawing.drawImage(this.video, ...covering(this.video, width / height), 0, 0, width, height);
    const pixels = drawing.getImageData(0, 0, width, height).data;
    this.socket.send(frameOf(pixels, model.frame.channels));
    this.unanswered += 1;
  }

  take(data) {
    if (typeof data === "string") {
      tell(new Error(JSON.parse(data).error.message));
      return;
    }
    this.unanswered -= 1;
    const { about, parts } = unpack(data);
    const now = performance.now();
    this.results = [...this.results.filter((then) => now - then < 2000), now];
    this.draw(this.video, parts.mask);
    this.add([about.status === "dropped" ? -1 : about.steps], about.first);
    this.tell(about, this.results.length / 2);
  }

  end(why) {
    this.over = true;
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send('{"type": "close"}');
    this.socket.close();
    this.video.srcObject?.getTracks().forEach((track) => track.stop());
    this.video.pause?.();
    if (why) tell(new Error(why));
    this.remove();
  }
}

function frameOf(pixels, channels) {
  const count = pixels.length / 4;
  const frame = new Uint8Array(count * channels);
  for (let i = 0; i < count; i += 1) {
    const [red, green, blue] = pixels.subarray(4 * i, 4 * i + 3);
    if (channels === 1) frame[i] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    else frame.set([red, green, blue], 3 * i);
  }
  return frame;
}

async function add(video, title) {
  const budget = get("budget").value;
  const options = { frames: "raw", masks: "raw", when_full: "drop_oldest", budget_ms: budget ? Number(budget) : null };
  const { stream } = await call("POST", "/v1/streams", options);
  return new Sent(stream, video, title);
}

async function addWebcam() {
  if (!navigator.mediaDevices) throw new Error("The webcam needs https, or this very machine.");
  const video = document.createElement("video");
  video.muted = video.playsInline = true;
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
  await video.play();
  await add(video, "my webcam");
}

async function addFile(file) {
  if (file.type.startsWith("image/")) {
    await add(await createImageBitmap(file), file.name);
    return;
  }
  const video = document.createElement("video");
  video.muted = video.playsInline = video.loop = true;
  video.src = URL.createObjectURL(file);
  await video.play().catch(() => {
    throw new Error(`${file.name} cannot be played by this browser.`);
  });
  await add(video, file.name);
}

// ---- policy

// The slider is even in steps, and not in thresholds: 0 is .01, 1 is 1.
const threshold = () => (0.01 * 100 ** Number(get("threshold").value)).toPrecision(2);

function policyText() {
  const most = get("most").value;
  const steps = get("kind").value === "schedule" ? `s${most}f${most}` : `pattern:rtol=${Number(threshold())}:${most}`;
  return get("gate").checked ? `gate:0.0023:0.046+${steps}` : steps;
}

function showPolicy(text) {
  const halts = get("kind").value === "halting";
  get("threshold-label").hidden = !halts;
  get("most-name").textContent = halts ? "at most" : "steps";
  get("threshold-shown").textContent = Number(threshold());
  get("most-shown").textContent = get("most").value;
  get("policy").textContent = text ?? policyText();
}

function readPolicy(text) {
  model.policy = text;
  const halting = text.match(/pattern:rtol=([\d.e-]+):(\d+)/);
  const schedule = text.match(/s(\d+)f(\d+)$/);
  get("gate").checked = text.startsWith("gate:");
  if (halting) {
    get("kind").value = "halting";
    get("threshold").value = Math.log(halting[1] / 0.01) / Math.log(100);
    get("most").value = model.most_steps = Number(halting[2]);
  } else if (schedule) {
    get("kind").value = "schedule";
    get("most").value = model.most_steps = Number(schedule[1]);
  }
  showPolicy(text);
}

let changing = null;

function changePolicy() {
  showPolicy();
  clearTimeout(changing);
  changing = setTimeout(async () => {
    get("policy").textContent = `${policyText()} is being prepared`;
    try {
      const { policy } = await call("PUT", "/v1/policy", { policy: policyText() });
      readPolicy(policy);
      get("trouble").textContent = "";
    } catch (error) {
      tell(error);
    }
  }, 300);
}

// ---- the page

function state(text, wrong = false) {
  get("state").textContent = text;
  get("state").classList.toggle("wrong", wrong);
}

function tell(error) {
  get("trouble").textContent = error.message;
}

function showEmpty() {
  get("empty").hidden = cards.size > 0;
}

async function begin() {
  try {
    const told = await call("GET", "/v1/models");
    [model] = told.models;
    control = told.control;
  } catch (error) {
    get("login").hidden = error.status !== 401;
    state(error.status === 401 ? "a token is needed" : "the server is away; trying again", true);
    if (error.status !== 401) setTimeout(begin, 2000);
    return;
  }
  get("login").hidden = true;
  sessionStorage.setItem("token", token);
  const { height, width } = model.frame;
  get("model").textContent = `${model.name}, ${width}×${height} pixels`;
  for (const input of get("rule").querySelectorAll("input, select")) input.disabled = !control;
  readPolicy(model.policy);
  showEmpty();
  watch();
}

for (const id of ["kind", "threshold", "most", "gate"]) get(id).addEventListener("input", changePolicy);
get("webcam").addEventListener("click", () => addWebcam().catch(tell));
get("file").addEventListener("change", ({ target }) => {
  for (const file of target.files) addFile(file).catch(tell);
  target.value = "";
});
get("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = get("token").value.trim();
  begin();
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", kind === "dragover");
    if (kind === "drop") for (const file of event.dataTransfer.files) addFile(file).catch(tell);
  });
}
window.addEventListener("pagehide", () => {
  for (const card of cards.values()) if (!card.own) card.end();
});
begin();
