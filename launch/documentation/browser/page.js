// Shows a stream, and what the model makes of it in this browser: see worker.js.

const get = (name) => document.getElementById(`live-${name}`);
const STRIP = 120; // frames in the strip
const RATE = 15; // frames a second of the webcam or a file
const WINDOW = 2000; // ms over which the frames of a second are counted

const local = (name) => new URL(name, import.meta.url);
const scratch = document.createElement("canvas"); // of the model's size
const overlay = document.createElement("canvas");
let model = null; // the manifest
let source = null;
let paused = false;
let steps = []; // of the last frames
let times = []; // at which they were done

// ---- the worker

const waiting = new Map(); // by number: who waits for an answer
let asked = 0;
let worker = null;

function ask(act, more = {}) {
  return new Promise((resolve, reject) => {
    asked += 1;
    waiting.set(asked, { resolve, reject });
    worker.postMessage({ id: asked, act, ...more });
  });
}

function begin() {
  worker = new Worker(local("worker.js"), { type: "module" });
  worker.onmessage = ({ data: { id, found, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(found);
    else reject(new Error(error));
  };
  worker.onerror = () => {
    for (const { reject } of waiting.values()) reject(new Error("this browser does not run it"));
    waiting.clear();
  };
}

// ---- what is shown: `image` is drawn, `frame()` is what the model gets, a Uint8Array [H, W, I]

class Contours {
  constructor(frames) {
    this.frames = frames;
    this.rate = model.frames_per_second;
    this.next = 0;
    this.image = document.createElement("canvas");
    [this.image.width, this.image.height] = [scratch.width, scratch.height];
  }

  static async open() {
    const answer = await fetch(local("stream.bin"));
    if (!answer.ok) throw new Error(`stream.bin: ${answer.status}`);
    return new Contours(new Uint8Array(await answer.arrayBuffer()));
  }

  ready = () => true;

  frame() {
    const count = scratch.width * scratch.height;
    const frame = this.frames.slice(this.next * count, (this.next + 1) * count);
    this.next = (this.next + 1) % model.frames;
    const pixels = new ImageData(scratch.width, scratch.height);
    frame.forEach((gray, place) => pixels.data.set([gray, gray, gray, 255], 4 * place));
    this.image.getContext("2d").putImageData(pixels, 0, 0);
    return frame;
  }

  stop() {}
}

class Film {
  constructor(video) {
    this.image = video;
    this.rate = RATE;
  }

  static async open(settings) {
    const video = Object.assign(document.createElement("video"), {
      muted: true,
      playsInline: true,
      loop: true,
      ...settings,
    });
    await video.play();
    return new Film(video);
  }

  static async webcam() {
    if (!navigator.mediaDevices) throw new Error("the webcam needs https");
    const srcObject = await navigator.mediaDevices.getUserMedia({ video: true }).catch(() => {
      throw new Error("there is no webcam, or it may not be used");
    });
    return Film.open({ srcObject });
  }

  static async file(file) {
    const src = URL.createObjectURL(file);
    return Film.open({ src }).catch(() => {
      URL.revokeObjectURL(src);
      throw new Error(`${file.name} cannot be played by this browser`);
    });
  }

  ready = () => this.image.readyState >= 2;

  frame() {
    const { width, height } = scratch;
    const drawing = scratch.getContext("2d", { willReadFrequently: true });
    drawing.imageSmoothingQuality = "high";
    drawing.drawImage(this.image, ...middle(this.image), 0, 0, width, height);
    const pixels = drawing.getImageData(0, 0, width, height).data;
    const gray = (n) => 0.299 * pixels[4 * n] + 0.587 * pixels[4 * n + 1] + 0.114 * pixels[4 * n + 2];
    return Uint8Array.from({ length: width * height }, (_, n) => Math.round(gray(n)));
  }

  stop() {
    this.image.pause();
    this.image.srcObject?.getTracks().forEach((track) => track.stop());
    if (this.image.src) URL.revokeObjectURL(this.image.src);
  }
}

// The largest part of an image, from its middle, that has the shape of a frame.
function middle(image) {
  const [width, height] = [image.videoWidth || image.width, image.videoHeight || image.height];
  const shape = scratch.width / scratch.height;
  const [w, h] = width / height > shape ? [height * shape, height] : [width, width / shape];
  return [(width - w) / 2, (height - h) / 2, w, h];
}

let choices = 0;

// button: whose source it is; open: gives the source.
async function choose(button, open) {
  choices += 1;
  const choice = choices;
  source?.stop();
  source = null;
  tell("");
  try {
    const found = await open();
    if (choice !== choices) {
      found.stop(); // another one was chosen meanwhile
      return;
    }
    source = found;
  } catch (error) {
    if (choice === choices) tell(error.message);
    return;
  }
  for (const name of ["demo", "webcam"]) get(name).setAttribute("aria-pressed", get(name) === button);
  get("label").classList.toggle("chosen", get("label") === button);
  [steps, times] = [[], []];
  await ask("reset");
  show(source);
}

// Lets a source run until another one is chosen.
async function show(running) {
  let due = performance.now();
  while (source === running) {
    if (!paused && running.ready()) {
      const found = await ask("run", { frame: running.frame() });
      if (source === running) draw(running.image, found);
    }
    due = Math.max(due + (get("fast").checked && !paused ? 0 : 1000 / running.rate), performance.now());
    await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
  }
}

// ---- the picture, the strip and the numbers

function draw(image, found) {
  const picture = get("picture");
  const drawing = picture.getContext("2d");
  const [width, height] = [picture.width, picture.height];
  drawing.imageSmoothingEnabled = image instanceof HTMLVideoElement;
  drawing.drawImage(image, ...middle(image), 0, 0, width, height);
  drawMask(found.mask);
  drawing.imageSmoothingEnabled = false;
  drawing.drawImage(overlay, 0, 0, width, height);
  const now = performance.now();
  steps = [...steps, found.steps].slice(-STRIP);
  times = [...times.filter((then) => now - then < WINDOW), now];
  drawStrip();
  count(found);
}

function drawMask(mask) {
  const pixels = new ImageData(overlay.width, overlay.height);
  const alpha = Math.round(255 * get("opacity").value);
  mask.forEach((kind, place) => {
    pixels.data.set([...model.colors[kind], kind === model.background ? 0 : alpha], 4 * place);
  });
  overlay.getContext("2d").putImageData(pixels, 0, 0);
}

function drawStrip() {
  const strip = get("strip");
  const scale = window.devicePixelRatio || 1;
  const width = (strip.width = Math.round(strip.clientWidth * scale));
  const height = (strip.height = Math.round(strip.clientHeight * scale));
  const drawing = strip.getContext("2d");
  const bar = width / STRIP;
  const most = Math.max(4, ...steps);
  drawing.fillStyle = getComputedStyle(strip).color;
  steps.forEach((n, place) => {
    const tall = n ? (height * n) / most : 2 * scale;
    const left = width - (steps.length - place) * bar;
    drawing.fillRect(left, height - tall, Math.max(1, bar - scale), tall);
  });
}

function count(found) {
  const passed = Math.max(1, times.at(-1) - times[0]);
  get("rate").textContent = times.length > 1 ? ((1000 * (times.length - 1)) / passed).toFixed(1) : "–";
  get("steps").textContent = found.steps;
  get("mean").textContent = (steps.reduce((sum, n) => sum + n, 0) / steps.length).toFixed(2);
  get("time").textContent = found.milliseconds.toFixed(0);
}

function tell(text) {
  get("state").textContent = text;
}

// ---- the page

async function start() {
  get("start").disabled = true;
  tell("Loading the model and what runs it.");
  try {
    const answer = await fetch(local("program.json"));
    if (!answer.ok) throw new Error(`program.json: ${answer.status}`);
    model = await answer.json();
    const [, height, width] = model.inputs.at(-1).shape;
    for (const canvas of [scratch, overlay]) [canvas.width, canvas.height] = [width, height];
    begin();
    await ask("open", { manifest: model });
  } catch (error) {
    get("start").disabled = false;
    tell(`It cannot be run: ${error.message}`);
    return;
  }
  get("before").hidden = true;
  get("running").hidden = false;
  get("demo").focus();
  await choose(get("demo"), Contours.open);
}

function pause() {
  paused = !paused;
  get("pause").setAttribute("aria-pressed", paused);
  get("pause").textContent = paused ? "Go on" : "Pause";
}

function takeFile(file) {
  if (file && model) choose(get("label"), () => Film.file(file));
}

get("start").addEventListener("click", start);
get("demo").addEventListener("click", () => choose(get("demo"), Contours.open));
get("webcam").addEventListener("click", () => choose(get("webcam"), Film.webcam));
get("file").addEventListener("change", ({ target }) => {
  takeFile(target.files[0]);
  target.value = ""; // so that the same file may be chosen again
});
get("pause").addEventListener("click", pause);
get("reset").addEventListener("click", () => ask("reset"));
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.getElementById("live").addEventListener(kind, (event) => {
    event.preventDefault();
    event.currentTarget.classList.toggle("dropping", kind === "dragover");
    if (kind === "drop") takeFile(event.dataTransfer.files[0]);
  });
}
