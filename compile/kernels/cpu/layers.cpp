// Compiled once per ISA, like isa.cpp.
#include "layers.h"

#include <math.h>

#include "vector.h"

namespace {

using layers::Gelu;
using layers::Norm;
using layers::Stem;
using layers::Sum;

typedef float Quad __attribute__((vector_size(16)));

#define SS2D_BODY __attribute__((always_inline))  // of a lambda: called, it would know no constant

constexpr float kLastCode = 255.0f;
constexpr int kBlock = 128;  // values; a whole number of registers

SS2D_INLINE Vec load_part(const float* from, int64_t count) {
  Vec v = {};
  __builtin_memcpy(&v, from, count * sizeof(float));
  return v;
}

// work(first, lanes) over whole registers, then over what is left.
template <typename Work>
SS2D_INLINE void for_each_vector(int64_t first, int64_t count, const Work& work) {
  const int64_t end = first + count;
  for (; first + kLanes <= end; first += kLanes) work(first, int64_t{kLanes});
  if (first < end) work(first, end - first);
}

SS2D_INLINE Vec read(const float* from, int64_t lanes) {
  return lanes == kLanes ? load(from) : load_part(from, lanes);
}

SS2D_INLINE void write(float* to, Vec v, int64_t lanes) {
  if (lanes == kLanes) store(to, v);
  else __builtin_memcpy(to, &v, lanes * sizeof(float));
}

// v in steps, without the zero point -> codes, one in each 32 bits.
SS2D_INLINE BitsVec codes_from_steps(Vec v, float zero) {
  v = v > splat(-zero) ? v : splat(-zero);  // a NaN, too
  v = v < splat(kLastCode - zero) ? v : splat(kLastCode - zero);
  return (BitsVec)(v + kRoundToInt) + static_cast<uint32_t>(zero);  // above the code's byte lies what kRoundToInt left
}

// Codes of steps(first, lanes) for `count` values. Compilers turn vectors of words into vectors of bytes one by one,
// but a loop over them into packing instructions.
template <typename Steps>
SS2D_INLINE void store_codes(uint8_t* __restrict codes, int64_t count, float zero, const Steps& steps) {
  alignas(64) uint32_t words[kBlock];
  for (int64_t start = 0; start < count; start += kBlock) {
    const int64_t values = count - start < kBlock ? count - start : kBlock;
    for_each_vector(start, values, [&](int64_t i, int64_t lanes) SS2D_BODY {
      const BitsVec word = codes_from_steps(steps(i, lanes), zero);
      __builtin_memcpy(words + (i - start), &word, sizeof word);
    });
    if (values == kBlock)
      for (int i = 0; i < kBlock; ++i) codes[start + i] = static_cast<uint8_t>(words[i]);
    else
      for (int64_t i = 0; i < values; ++i) codes[start + i] = static_cast<uint8_t>(words[i]);
  }
}

SS2D_INLINE float total(Vec v) {
  Quad quads[kLanes / 4];
  __builtin_memcpy(quads, &v, sizeof v);
  for (int i = 1; i < kLanes / 4; ++i) quads[0] += quads[i];
  return quads[0][0] + quads[0][1] + (quads[0][2] + quads[0][3]);
}

// Sum of work(vector) over a row, in four chains: one would wait for each addition.
template <typename Work>
SS2D_INLINE float row_sum(const float* row, int64_t channels, const Work& work) {
  Vec sums[4] = {};
  int64_t c = 0;
  for (; c + 4 * kLanes <= channels; c += 4 * kLanes)
    for (int i = 0; i < 4; ++i) sums[i] += work(load(row + c + i * kLanes));
  for (; c + kLanes <= channels; c += kLanes) sums[0] += work(load(row + c));
  if (c < channels) {
    const Vec last = work(load_part(row + c, channels - c));
    sums[1] += load_part(reinterpret_cast<const float*>(&last), channels - c);
  }
  return total(sums[0] + sums[1] + (sums[2] + sums[3]));
}

SS2D_INLINE void norm_row(const Norm& norm, int64_t index) {
  const int64_t start = index * norm.channels, channels = norm.channels;
  const float* row = norm.x + start;
  if (norm.branch) {
    const float *x = row, *branch = norm.branch + start;
    float* to = norm.sum + start;
    for_each_vector(0, channels, [&](int64_t c, int64_t lanes) SS2D_BODY {
      write(to + c, read(x + c, lanes) + read(branch + c, lanes), lanes);
    });
    row = to;
  }
  const float mean = row_sum(row, channels, [](Vec v) SS2D_BODY { return v; }) / channels;
  const float squares = row_sum(row, channels, [&](Vec v) SS2D_BODY { return (v - mean) * (v - mean); });
  const float scale = 1 / sqrtf(squares / channels + norm.epsilon);
  store_codes(norm.codes + start, channels, norm.zero, [&](int64_t c, int64_t lanes) SS2D_BODY {
    return (read(row + c, lanes) - mean) * scale * read(norm.weight + c, lanes) + read(norm.bias + c, lanes);
  });
}

// The arguments' copies: stored codes could not be told from the originals, which would be read again and again.
void norm_rows(const Norm& arguments, int64_t first, int64_t count) {
  const Norm norm = arguments;
  for (int64_t row = first; row < first + count; ++row) norm_row(norm, row);
}

// x Phi(x) = max(x, 0) - |x| Phi(-|x|), and Phi(-z) = 1 / (2 (1 + a1 z + ... + a6 z^6)^16): Abramowitz and Stegun
// 7.1.28 with erf's argument z / sqrt(2) folded in; error 3e-7 |x| / 2. Beyond 10 both forms are 0.
SS2D_INLINE Vec gelu_of(Vec x) {
  constexpr float kEnd = 10.0f;
  Vec z = (Vec)((BitsVec)x & 0x7FFFFFFF);
  z = z < splat(kEnd) ? z : splat(kEnd);
  Vec p = splat(5.3829750e-6f);
  p = p * z + 4.8890636e-5f;
  p = p * z + 3.8003575e-5f;
  p = p * z + 3.2776263e-3f;
  p = p * z + 2.1141006e-2f;
  p = p * z + 4.9867347e-2f;
  p = p * z + 1.0f;
  p *= p;
  p *= p;
  p *= p;
  p *= p;
  return (x < Vec{} ? Vec{} : x) - 0.5f * z / p;
}

void gelu(const Gelu& arguments, int64_t first, int64_t count) {
  const Gelu gelu = arguments;
  store_codes(gelu.codes + first, count, gelu.zero, [&](int64_t i, int64_t lanes) SS2D_BODY {
    return gelu_of(read(gelu.x + first + i, lanes)) * gelu.steps;
  });
}

// Maps of codes in, so that no map of floats passes through memory.
template <int kTerms>
SS2D_INLINE void sum_up_terms(const Sum& sum, int64_t first, int64_t count) {
  alignas(64) float values[kTerms][kBlock];
  for (int64_t start = first; start < first + count; start += kBlock) {
    const int64_t here = first + count - start < kBlock ? first + count - start : kBlock;
    for (int term = 0; term < kTerms; ++term) {
      const uint8_t* __restrict from = sum.terms[term] + start;
      if (here == kBlock)
        for (int i = 0; i < kBlock; ++i) values[term][i] = from[i];
      else
        for (int64_t i = 0; i < kBlock; ++i) values[term][i] = i < here ? from[i] : 0;
    }
    store_codes(sum.codes + start, here, sum.zero, [&](int64_t i, int64_t) SS2D_BODY {
      Vec total = {};
      for (int term = 0; term < kTerms; ++term)
        total += (load(values[term] + i) - sum.zeros[term]) * sum.scales[term];
      return total * sum.steps;
    });
  }
}

void sum_up(const Sum& arguments, int64_t first, int64_t count) {
  const Sum sum = arguments;
  if (sum.terms[2]) sum_up_terms<3>(sum, first, count);
  else sum_up_terms<2>(sum, first, count);
}

constexpr int kPixels = 8;  // of one row that share each load of a weight

// Steps of kCount pixels from (row y, column x) of the result on, taps [from, to) of each kernel row.
template <int kCount>
SS2D_INLINE void stem_pixels(const Stem& s, const float* image, int64_t y, int64_t x, int64_t from, int64_t to,
                             int64_t stride, float* steps) {
  const int64_t y_in = y * s.stride_h - s.top, x_in = x * stride - s.left;
  for (int64_t block = 0; block < s.padded; block += kLanes) {
    Vec sums[kCount];
    for (int i = 0; i < kCount; ++i) sums[i] = load(s.bias + block);
    for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
      if (y_in + ky < 0 || y_in + ky >= s.height) continue;
      for (int64_t c = 0; c < s.channels_in; ++c) {
        const float* row = image + (c * s.height + y_in + ky) * s.width + x_in;
        const float* weight = s.weight + (ky * s.channels_in + c) * s.kernel_w * s.padded + block;
        for (int64_t kx = from; kx < to; ++kx) {
          const Vec w = load(weight + kx * s.padded);
          for (int i = 0; i < kCount; ++i) sums[i] += w * row[i * stride + kx];
        }
      }
    }
    for (int i = 0; i < kCount; ++i) store(steps + i * s.padded + block, sums[i]);
  }
}

// As many pixels as kCount from column x on; returns whether all of their taps lie inside.
template <int kCount>
SS2D_INLINE bool stem_inside(const Stem& s, const float* image, int64_t y, int64_t x, float* steps) {
  const int64_t left = x * s.stride_w - s.left, right = left + (kCount - 1) * s.stride_w + s.kernel_w;
  if (left < 0 || right > s.width || x + kCount > s.width_out) return false;
  if (s.kernel_w == 3 && s.stride_w == 2) stem_pixels<kCount>(s, image, y, x, 0, 3, 2, steps);  // the usual one
  else stem_pixels<kCount>(s, image, y, x, 0, s.kernel_w, s.stride_w, steps);
  return true;
}

// Pixels as they lie padded; kPads: how often the padding goes into them, 0: any number.
template <int kPads>
SS2D_INLINE void put_pixels(const Stem& s, const uint8_t* codes, uint8_t* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t* from = codes + i * s.padded;
    if (kPads) __builtin_memcpy(to + i * s.channels, from, kPads * layers::kStemPad);
    else
      for (int64_t c = 0; c < s.padded; c += layers::kStemPad)
        __builtin_memcpy(to + i * s.channels + c, from + c, layers::kStemPad);
  }
}

void stem_row(const Stem& s, int64_t index) {
  alignas(64) float steps[kPixels * layers::kMostStemChannels];
  uint8_t codes[kPixels * layers::kMostStemChannels];
  const int64_t y = index % s.height_out;
  const float* image = s.x + index / s.height_out * s.channels_in * s.height * s.width;
  uint8_t* to = s.codes + index * s.width_out * s.channels;
  // What a pixel writes too much the next ones overwrite, but for the last of a row.
  const int64_t roomy = s.width_out - (s.padded - 1) / s.channels;
  for (int64_t x = 0; x < s.width_out;) {
    int64_t count = kPixels;
    if (!stem_inside<kPixels>(s, image, y, x, steps)) {
      count = 1;
      const int64_t left = x * s.stride_w - s.left, end = s.width - left;
      stem_pixels<1>(s, image, y, x, left < 0 ? -left : 0, end < s.kernel_w ? end : s.kernel_w, s.stride_w, steps);
    }
    store_codes(codes, count * s.padded, s.zero, [&](int64_t i, int64_t) SS2D_BODY { return load(steps + i); });
    const int64_t free = roomy - x, whole = free < 0 ? 0 : free < count ? free : count;
    if (s.padded == 2 * layers::kStemPad) put_pixels<2>(s, codes, to, whole);
    else put_pixels<0>(s, codes, to, whole);
    for (int64_t i = whole; i < count; ++i) __builtin_memcpy(to + i * s.channels, codes + i * s.padded, s.channels);
    x += count;
    to += count * s.channels;
  }
}

void stem_rows(const Stem& arguments, int64_t first, int64_t count) {
  const Stem stem = arguments;
  for (int64_t row = first; row < first + count; ++row) stem_row(stem, row);
}

}  // namespace

namespace layers {

extern const Layers SS2D_KERNEL;
const Layers SS2D_KERNEL = {norm_rows, gelu, sum_up, stem_rows};

}  // namespace layers
