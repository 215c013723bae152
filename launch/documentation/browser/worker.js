// Runs the model beside the page, so that the page answers while a frame is computed.

import * as ort from "./ort.wasm.min.mjs";
import { Video, maskOf } from "./program.js";

// Several threads need headers that hosts of static pages do not send.
ort.env.wasm.numThreads = 1;

let video = null;
let classes = 0;

async function bytes(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

async function open(manifest) {
  const [program, state] = await Promise.all([bytes("program.onnx"), bytes("state.bin")]);
  video = await Video.open(ort, manifest, program, state);
  classes = manifest.classes.length;
  return {};
}

async function run(frame) {
  const began = performance.now();
  const { logits, steps } = await video.run(frame);
  return { mask: maskOf(logits, classes), steps, milliseconds: performance.now() - began };
}

// Messages are answered in the order in which they come: a state has one next frame.
let before = Promise.resolve();

onmessage = ({ data }) => {
  const acts = { open: () => open(data.manifest), run: () => run(data.frame), reset: () => video.reset() };
  before = before.then(acts[data.act]).then(
    (found) => postMessage({ id: data.id, found }),
    (error) => postMessage({ id: data.id, error: String(error?.message ?? error) }),
  );
};
