// oneDNN's convolution and the gradient of its kernel, as calls that XLA's programs on CPUs make.
//
// oneDNN works here on one thread at a time. A map is cut into bands of rows, which XLA's own
// threads take one after the other: a second pool of threads beside XLA's would fight it for the
// cores. Maps are channels last, kernels [KH, KW, C_in, C_out], strides 1, zero padding that keeps
// the size.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "xla/ffi/api/ffi.h"

extern "C" void omp_set_num_threads(int);

namespace ffi = xla::ffi;
using dnnl::memory;
using Map = ffi::Buffer<ffi::F32, 4>;

namespace {

// What a band reads and writes stays in a core's second cache.
constexpr int64_t kBandBytes = int64_t{1} << 19;
constexpr int64_t kFewestRows = 4;

dnnl::engine& Engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& Stream() {
  static thread_local dnnl::stream stream(Engine());
  return stream;
}

memory::desc Nhwc(int64_t height, int64_t width, int64_t channels) {
  return {{1, channels, height, width}, memory::data_type::f32, memory::format_tag::nhwc};
}

memory Wrap(const memory::desc& desc, const float* data) {
  return {desc, Engine(), const_cast<float*>(data)};
}

// A band of rows of one image: what of the input it reads, and how far that lies outside.
struct Band {
  int64_t image, row, rows, from, to, above, below;
};

struct Sizes {
  int64_t images, height, width, in, out, kernel_height, kernel_width;

  int64_t above() const { return kernel_height / 2; }
  int64_t left() const { return kernel_width / 2; }

  // Bands depend on a map's size alone: neither on the number of threads nor on the batch, so that
  // an image's result is the same, to the bit, wherever and beside whatever it is computed.
  std::vector<Band> Bands() const {
    const int64_t bytes = height * width * (in + out) * int64_t{sizeof(float)};
    int64_t parts = std::max<int64_t>(2, bytes / kBandBytes);
    parts = std::min(parts, std::max<int64_t>(1, height / kFewestRows));
    std::vector<Band> bands;
    for (int64_t image = 0; image < images; ++image) {
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t row = height * part / parts, end = height * (part + 1) / parts;
        const int64_t from = std::max<int64_t>(0, row - above());
        const int64_t to = std::min(height, end + above());
        bands.push_back({image, row, end - row, from, to, from - (row - above()),
                         end + above() - to});
      }
    }
    return bands;
  }
};

// Runs `work(0)` to `work(count - 1)`, here and on XLA's threads. Waits for what has been begun
// alone: a task that no thread has time for finds nothing left to do, and nobody waits for it.
void ForEach(ffi::ThreadPool& pool, int64_t count, std::function<void(int64_t)> work) {
  struct Shared {
    std::function<void(int64_t)> work;
    int64_t count;
    std::atomic<int64_t> next{0}, done{0};
    std::mutex mutex;
    std::condition_variable finished;
    std::exception_ptr failed;
  };
  auto shared = std::make_shared<Shared>();
  shared->work = std::move(work);
  shared->count = count;
  auto take = [shared] {
    omp_set_num_threads(1);
    for (int64_t i; (i = shared->next.fetch_add(1)) < shared->count;) {
      try {
        shared->work(i);
      } catch (...) {
        std::lock_guard<std::mutex> lock(shared->mutex);
        shared->failed = std::current_exception();
      }
      if (shared->done.fetch_add(1) + 1 == shared->count) {
        std::lock_guard<std::mutex> lock(shared->mutex);
        shared->finished.notify_all();
      }
    }
  };
  const int64_t helpers = std::min<int64_t>(count, pool.num_threads()) - 1;
  for (int64_t i = 0; i < helpers; ++i) pool.Schedule(std::function<void()>(take));
  take();
  std::unique_lock<std::mutex> lock(shared->mutex);
  shared->finished.wait(lock, [&] { return shared->done.load() == shared->count; });
  if (shared->failed) std::rethrow_exception(shared->failed);
}

using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t>;

Key KeyOf(const Sizes& s, const Band& b) {
  return {b.rows, s.width, s.in, s.out, s.kernel_height, s.kernel_width, b.above, b.below};
}

memory::desc KernelAny(const Sizes& s) {
  return {{s.out, s.in, s.kernel_height, s.kernel_width}, memory::data_type::f32,
          memory::format_tag::any};
}

memory::desc KernelPlain(const Sizes& s) {
  return {{s.out, s.in, s.kernel_height, s.kernel_width}, memory::data_type::f32,
          memory::format_tag::hwio};
}

dnnl::convolution_forward::primitive_desc Forward(const Sizes& s, const Band& b) {
  const memory::desc x = Nhwc(b.to - b.from, s.width, s.in), y = Nhwc(b.rows, s.width, s.out);
  const memory::dims ones{1, 1}, before{b.above, s.left()}, after{b.below, s.left()};
  const auto kind = dnnl::prop_kind::forward_training;
  const auto how = dnnl::algorithm::convolution_direct;
  return {Engine(), kind, how, x, KernelAny(s), y, ones, before, after};
}

dnnl::convolution_backward_weights::primitive_desc ToKernel(const Sizes& s, const Band& b) {
  const memory::desc x = Nhwc(b.to - b.from, s.width, s.in), y = Nhwc(b.rows, s.width, s.out);
  const memory::dims ones{1, 1}, before{b.above, s.left()}, after{b.below, s.left()};
  return {Engine(), dnnl::algorithm::convolution_direct, x, KernelAny(s), y, ones, before, after,
          Forward(s, b)};
}

template <typename Primitive, typename Make>
std::pair<typename Primitive::primitive_desc, Primitive>& Cached(const Key& key, Make make) {
  static thread_local std::map<Key, std::pair<typename Primitive::primitive_desc, Primitive>> all;
  auto found = all.find(key);
  if (found == all.end()) {
    auto desc = make();
    found = all.emplace(key, std::make_pair(desc, Primitive(desc))).first;
  }
  return found->second;
}

// The part of a map that a band begins with.
const float* From(const Map& map, int64_t image, int64_t row) {
  const auto d = map.dimensions();
  return map.typed_data() + (image * d[1] + row) * d[2] * d[3];
}

memory Reordered(memory from, const memory::desc& layout) {
  memory to(layout, Engine());
  dnnl::reorder(from, to).execute(Stream(), from, to);
  Stream().wait();
  return to;
}

Sizes SizesOf(const Map& x, const Map& kernel) {
  const auto xd = x.dimensions(), kd = kernel.dimensions();
  return {xd[0], xd[1], xd[2], xd[3], kd[3], kd[0], kd[1]};
}

void Convolve(ffi::ThreadPool& pool, Map x, Map kernel, Map y) {
  omp_set_num_threads(1);
  const Sizes s = SizesOf(x, kernel);
  const std::vector<Band> bands = s.Bands();
  auto primitive = [&s](const Band& b) -> auto& {
    return Cached<dnnl::convolution_forward>(KeyOf(s, b), [&] { return Forward(s, b); });
  };
  // Once, in the layout that bands within an image want; one at its ends may want another.
  const memory plain = Wrap(KernelPlain(s), kernel.typed_data());
  const memory::desc layout = primitive(bands[bands.size() / 2]).first.weights_desc();
  const memory ordered = Reordered(plain, layout);
  ForEach(pool, bands.size(), [&](int64_t i) {
    const Band& b = bands[i];
    auto& [desc, run] = primitive(b);
    const memory::desc wanted = desc.weights_desc();
    run.execute(Stream(), {{DNNL_ARG_SRC, Wrap(desc.src_desc(), From(x, b.image, b.from))},
                           {DNNL_ARG_WEIGHTS, wanted == layout ? ordered : Reordered(plain, wanted)},
                           {DNNL_ARG_DST, Wrap(desc.dst_desc(), From(y, b.image, b.row))}});
    Stream().wait();
  });
}

void KernelGradient(ffi::ThreadPool& pool, Map x, Map y, Map kernel) {
  omp_set_num_threads(1);
  const Sizes s = SizesOf(x, kernel);
  const std::vector<Band> bands = s.Bands();
  const int64_t entries = kernel.element_count();
  std::vector<float> parts(bands.size() * entries);
  ForEach(pool, bands.size(), [&](int64_t i) {
    const Band& b = bands[i];
    auto& [desc, run] = Cached<dnnl::convolution_backward_weights>(
        KeyOf(s, b), [&] { return ToKernel(s, b); });
    memory own(desc.diff_weights_desc(), Engine());
    run.execute(Stream(), {{DNNL_ARG_SRC, Wrap(desc.src_desc(), From(x, b.image, b.from))},
                           {DNNL_ARG_DIFF_DST, Wrap(desc.diff_dst_desc(), From(y, b.image, b.row))},
                           {DNNL_ARG_DIFF_WEIGHTS, own}});
    memory plain = Wrap(KernelPlain(s), parts.data() + i * entries);
    dnnl::reorder(own, plain).execute(Stream(), own, plain);
    Stream().wait();
  });
  // In the order of the bands, whichever thread was first: the same bits every time.
  float* sum = kernel.typed_data();
  std::fill_n(sum, entries, 0.0f);
  for (size_t i = 0; i < bands.size(); ++i) {
    const float* part = parts.data() + i * entries;
    for (int64_t j = 0; j < entries; ++j) sum[j] += part[j];
  }
}

// oneDNN throws, and XLA must not be thrown through.
template <void Call(ffi::ThreadPool&, Map, Map, Map)>
ffi::Error Handle(ffi::ThreadPool pool, Map first, Map second, ffi::Result<Map> result) {
  try {
    Call(pool, first, second, *result);
  } catch (const std::exception& error) {
    return ffi::Error::Internal(std::string("oneDNN: ") + error.what());
  }
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    rsf_convolve, Handle<Convolve>,
    ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Map>().Arg<Map>().Ret<Map>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    rsf_kernel_gradient, Handle<KernelGradient>,
    ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Map>().Arg<Map>().Ret<Map>());
