// float16 for the shim: the few operations the kernels use, by hand, so that any C++17 compiler will do.
#ifndef SHIM_CUDA_FP16_H
#define SHIM_CUDA_FP16_H

#include "device.h"

struct __half {
  uint16_t bits;
};
struct alignas(4) __half2 {
  __half x, y;
};

inline float __half2float(__half value) {
  const uint32_t sign = uint32_t(value.bits & 0x8000u) << 16, exponent = value.bits >> 10 & 31,
                 fraction = value.bits & 1023u;
  if (exponent == 31) return __uint_as_float(sign | 0x7F800000u | fraction << 13);
  const float magnitude = exponent ? ldexpf(float(1024 + fraction), int(exponent) - 25) : ldexpf(float(fraction), -24);
  return sign ? -magnitude : magnitude;
}

inline __half __float2half_rn(float value) {
  const uint16_t sign = signbit(value) ? 0x8000 : 0;
  const float magnitude = fabsf(value);
  if (value != value) return {0x7FFF};
  if (magnitude == 0.0f) return {sign};
  if (magnitude >= 65520.0f) return {uint16_t(sign | 0x7C00)};
  int exponent;
  frexpf(magnitude, &exponent);  // magnitude < 2^exponent
  const int unit = exponent - 11 < -24 ? -24 : exponent - 11;
  const uint32_t steps = uint32_t(nearbyintf(ldexpf(magnitude, -unit)));  // in units of 2^unit: at most 2048
  return {uint16_t(sign | (uint32_t(unit + 24) * 1024 + steps))};
}

inline __half2 __floats2half2_rn(float x, float y) { return {__float2half_rn(x), __float2half_rn(y)}; }
inline __half2 __float2half2_rn(float x) { return __floats2half2_rn(x, x); }
inline float2 __half22float2(__half2 value) { return {__half2float(value.x), __half2float(value.y)}; }
inline __half2 __hfma2(__half2 a, __half2 b,
                       __half2 c) {  // float32 holds the product, and the sum of what is used here
  return {__float2half_rn(__half2float(a.x) * __half2float(b.x) + __half2float(c.x)),
          __float2half_rn(__half2float(a.y) * __half2float(b.y) + __half2float(c.y))};
}

#endif
