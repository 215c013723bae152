// node program_in_node.mjs FOLDER COUNT: runs the program of the page on so many frames of its stream, twice.
// FOLDER has the files of the page; `logits.bin`, `masks.bin` and `steps.json` are written there.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const count = Number(process.argv[3]);
const load = (name) => import(pathToFileURL(join(folder, name)));
const read = (name) => new Uint8Array(readFileSync(join(folder, name)));

const ort = await load("ort.wasm.min.mjs");
const { Video, maskOf } = await load("program.js");
ort.env.wasm.numThreads = 1;
const manifest = JSON.parse(readFileSync(join(folder, "program.json")));
const stream = read("stream.bin");
const size = stream.length / manifest.frames;
const video = await Video.open(ort, manifest, read("program.onnx"), read("state.bin"));

async function run() {
  const found = { steps: [], logits: [], masks: [] };
  for (let n = 0; n < count; n += 1) {
    const { logits, steps } = await video.run(stream.slice(n * size, (n + 1) * size));
    found.steps.push(steps);
    found.logits.push(Buffer.from(logits.slice().buffer));
    found.masks.push(Buffer.from(maskOf(logits, manifest.classes.length)));
  }
  return found;
}

const first = await run();
video.reset();
const again = await run();
writeFileSync(join(folder, "logits.bin"), Buffer.concat(first.logits));
writeFileSync(join(folder, "masks.bin"), Buffer.concat(first.masks));
writeFileSync(join(folder, "steps.json"), JSON.stringify([first.steps, again.steps]));
