// The stored types of maps, to and from registers of float32. Bits and integers only: the same on every ISA, whatever
// the processor has of its own, and whether or not it flushes subnormal numbers to zero.
#ifndef VMAMBA_CPU_CONVERT_H
#define VMAMBA_CPU_CONVERT_H

#include "vector.h"

namespace {

typedef uint16_t Half;  // the bits of a float16
typedef Half HalfVec __attribute__((vector_size(2 * kLanes)));
typedef int8_t ByteVec __attribute__((vector_size(kLanes)));
typedef int32_t IntVec __attribute__((vector_size(4 * kLanes)));

template <typename Stored>
struct VectorOf;
template <>
struct VectorOf<float> {
  typedef Vec type;
};
template <>
struct VectorOf<Half> {
  typedef HalfVec type;
};
template <>
struct VectorOf<int8_t> {
  typedef ByteVec type;
};

constexpr uint32_t kHalfInf = 0x7C00, kHalfNan = 0x7E00, kHalfNormal = 0x0400;  // kHalfNormal: the smallest, 2^-14
constexpr uint32_t kExponentShift = uint32_t{127 - 15} << 23;                   // between the two formats' biases
constexpr float kMaxInt8 = 127.0f;

SS2D_INLINE BitsVec splat_bits(uint32_t x) { return BitsVec{} + x; }

SS2D_INLINE Vec widened(Vec v, float) { return v; }

SS2D_INLINE Vec widened(ByteVec v, float scale) {
  return __builtin_convertvector(__builtin_convertvector(v, IntVec), Vec) * scale;
}

SS2D_INLINE Vec widened(HalfVec v, float) {
  const BitsVec half = __builtin_convertvector(v, BitsVec), size = half & 0x7FFF;
  const BitsVec normal = (size << 13) + kExponentShift, beyond = normal + kExponentShift;  // inf and NaN
  const BitsVec tiny = (BitsVec)(__builtin_convertvector((IntVec)size, Vec) * 0x1p-24f);
  const BitsVec finite = size < splat_bits(kHalfNormal) ? tiny : normal;
  return (Vec)((size < splat_bits(kHalfInf) ? finite : beyond) | ((half & 0x8000) << 16));
}

SS2D_INLINE void narrow(Vec v, float, Vec* to) { *to = v; }

// To the nearest float16, ties to even; 65520 and more become infinite.
SS2D_INLINE void narrow(Vec v, float, HalfVec* to) {
  const BitsVec bits = (BitsVec)v, size = bits & 0x7FFFFFFF;
  const BitsVec normal = (size - kExponentShift + 0xFFF + ((size >> 13) & 1)) >> 13;
  // Adding 0.5, whose last bit is worth 2^-24, rounds to a multiple of the smallest float16.
  const BitsVec tiny = (BitsVec)((Vec)size + 0.5f) - (BitsVec)splat(0.5f);
  const BitsVec finite = size < splat_bits((127 - 14) << 23) ? tiny : normal;
  const BitsVec huge = size > splat_bits(255u << 23) ? splat_bits(kHalfNan) : splat_bits(kHalfInf);
  const BitsVec half = size < splat_bits((127 + 16) << 23) ? finite : huge;
  *to = __builtin_convertvector(half | ((bits >> 16) & 0x8000), HalfVec);
}

// To the nearest integer, ties to even, within +-127; NaN becomes 0.
SS2D_INLINE void narrow(Vec v, float scale, ByteVec* to) {
  v /= scale;
  v = v == v ? v : Vec{};
  v = v < splat(-kMaxInt8) ? splat(-kMaxInt8) : v;
  v = v > splat(kMaxInt8) ? splat(kMaxInt8) : v;
  const IntVec whole = (IntVec)((BitsVec)(v + kRoundToInt) - (BitsVec)splat(kRoundToInt));
  *to = __builtin_convertvector(whole, ByteVec);
}

// `count` values that lie `stride` apart, zeros behind them.
template <typename Stored>
SS2D_INLINE Vec read(const Stored* from, int64_t stride, int64_t count, float scale) {
  typename VectorOf<Stored>::type v;
  if (stride == 1 && count == kLanes) {
    __builtin_memcpy(&v, from, sizeof v);
  } else {
    Stored lanes[kLanes] = {};
    for (int64_t i = 0; i < count; ++i) lanes[i] = from[i * stride];
    __builtin_memcpy(&v, lanes, sizeof v);
  }
  return widened(v, scale);
}

template <typename Stored>
SS2D_INLINE void write(Stored* to, int64_t stride, int64_t count, float scale, Vec values) {
  typename VectorOf<Stored>::type v;
  narrow(values, scale, &v);
  if (stride == 1 && count == kLanes) {
    __builtin_memcpy(to, &v, sizeof v);
    return;
  }
  Stored lanes[kLanes];
  __builtin_memcpy(lanes, &v, sizeof v);
  for (int64_t i = 0; i < count; ++i) to[i * stride] = lanes[i];
}

}  // namespace

#endif
