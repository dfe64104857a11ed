// Vectors of channels and the three functions the scan needs of them. Included once per ISA; everything has internal
// linkage, or the linker could give one ISA's copy to another.
#ifndef VMAMBA_CPU_VECTOR_H
#define VMAMBA_CPU_VECTOR_H

#include <stdint.h>

#define SS2D_INLINE inline __attribute__((always_inline))

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16, kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kLanes = 8, kRegisters = 16;
#elif defined(__aarch64__)
constexpr int kLanes = 4, kRegisters = 32;
#else
constexpr int kLanes = 4, kRegisters = 16;
#endif

typedef float Vec __attribute__((vector_size(4 * kLanes)));
typedef float MemoryVec __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));  // anywhere in floats
typedef uint32_t BitsVec __attribute__((vector_size(4 * kLanes)));
static_assert(sizeof(Vec) == sizeof(BitsVec) && sizeof(float) == 4, "their bits are exchanged below");

SS2D_INLINE Vec load(const float* from) {
  Vec v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

SS2D_INLINE void store(float* to, Vec v) { __builtin_memcpy(to, &v, sizeof v); }

SS2D_INLINE Vec splat(float x) { return Vec{} + x; }

constexpr float kRoundToInt = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;

// max(x, -126) for an exponent: below it 2^x is no normal number. Among negative floats the larger magnitude has the
// larger bits, and positive ones have smaller bits than any of them: one integer minimum.
SS2D_INLINE Vec normal_exponent(Vec x) {
  const BitsVec bits = (BitsVec)x, lowest = BitsVec{} + 0xC2FC0000u;  // of -126.0f
  return (Vec)(bits < lowest ? bits : lowest);
}

// 2^(whole + part), whole as kRoundToInt left it, part in [-1/2, 1/2]; relative error 1.6e-7 (Remez, constant term 1).
SS2D_INLINE Vec power_of_2(Vec whole, Vec part) {
  Vec p = splat(1.326472731e-3f);
  p = p * part + 9.671512991e-3f;
  p = p * part + 5.550733581e-2f;
  p = p * part + 2.402224243e-1f;
  p = p * part + 6.931470037e-1f;
  p = p * part + 1.0f;
  return (Vec)((BitsVec)p + ((BitsVec)whole << 23));
}

// 2^x, x up to 127.
SS2D_INLINE Vec exp2(Vec x) {
  x = normal_exponent(x);
  const Vec whole = x + kRoundToInt;
  return power_of_2(whole, x - (whole - kRoundToInt));
}

SS2D_INLINE Vec exp_minus_abs(Vec z) { return exp2((Vec)((BitsVec)z | 0x80000000u) * kLog2E); }

// softplus(z) = max(z,0) + log(1+t) with t = e^-|z|; relative error of the logarithm 3.3e-7 (Remez on [0,1]).
SS2D_INLINE Vec softplus(Vec z, Vec t) {
  Vec p = splat(-8.539202623e-3f);
  p = p * t + 4.408961907e-2f;
  p = p * t - 1.076817065e-1f;
  p = p * t + 1.774524152e-1f;
  p = p * t - 2.449546307e-1f;
  p = p * t + 3.327547908e-1f;
  p = p * t - 4.999740422e-1f;
  p = p * t + 9.999998212e-1f;
  return p * t + (z < Vec{} ? Vec{} : z);  // NaN stays
}

SS2D_INLINE float sum(Vec v) {
  float lanes[kLanes];
  __builtin_memcpy(lanes, &v, sizeof v);
  for (int half = kLanes / 2; half; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

}  // namespace

#endif
