// A program that `launch/export.py --format=onnx` has written, run by ONNX Runtime.

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

export class Video {
  // ort: the module of ONNX Runtime; manifest: the object of manifest.json; program: the bytes of
  // program.onnx; state: those of the first state's arrays, one after the other.
  static async open(ort, manifest, program, state) {
    const session = await ort.InferenceSession.create(program);
    return new Video(ort, manifest, session, state);
  }

  constructor(ort, manifest, session, state) {
    this.ort = ort;
    this.session = session;
    this.inputs = manifest.inputs;
    this.outputs = manifest.outputs;
    this.first = state;
    this.reset();
  }

  // The next frame begins a video.
  reset() {
    let place = 0;
    this.state = this.inputs.slice(0, -1).map(({ shape, dtype }) => {
      const kind = ARRAYS[dtype];
      const count = shape.reduce((product, size) => product * size, 1);
      const bytes = this.first.slice(place, place + count * kind.BYTES_PER_ELEMENT);
      place += bytes.length;
      return new this.ort.Tensor(dtype, new kind(bytes.buffer, bytes.byteOffset, count), shape);
    });
  }

  // frame: a Uint8Array [H, W, I]. Returns logits, a Float32Array [H, W, K], and steps.
  async run(frame) {
    const { name, dtype, shape } = this.inputs.at(-1);
    const feeds = { [name]: new this.ort.Tensor(dtype, frame, shape) };
    this.state.forEach((array, n) => (feeds[this.inputs[n].name] = array));
    const found = await this.session.run(feeds);
    this.state = this.state.map((_, n) => found[this.outputs[n].name]);
    return { logits: found.logits.data, steps: found.steps.data[0] };
  }
}

// The class of each pixel, a Uint8Array [H, W], of logits [H, W, K].
export function maskOf(logits, classes) {
  const mask = new Uint8Array(logits.length / classes);
  for (let pixel = 0; pixel < mask.length; pixel += 1) {
    for (let kind = 1; kind < classes; kind += 1) {
      const best = pixel * classes + mask[pixel];
      if (logits[pixel * classes + kind] > logits[best]) mask[pixel] = kind;
    }
  }
  return mask;
}
