// The three element types: two channels at once where they lie side by side, else one by one; and the functions of z.
#ifndef VMAMBA_CUDA_VALUES_CUH
#define VMAMBA_CUDA_VALUES_CUH

#include <cuda_fp16.h>

#include "intrinsics.cuh"
#include "problem.cuh"

namespace ss2d {

constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;
constexpr float kLargestHalf = 65504.0f;

__device__ __forceinline__ float value_of(float x) { return x; }
__device__ __forceinline__ float value_of(__half x) { return __half2float(x); }
__device__ __forceinline__ float value_of(int8_t x) { return static_cast<float>(x); }

// Two neighbours as they are stored, so that they wait in few registers.
template <typename T>
struct Pair;
template <>
struct Pair<float> {
  float2 raw;
};
template <>
struct Pair<__half> {
  __half2 raw;
};
template <>
struct Pair<int8_t> {
  uint16_t raw;
};
static_assert(sizeof(Pair<float>) == 8 && sizeof(Pair<__half>) == 4 && sizeof(Pair<int8_t>) == 2, "one load each");

__device__ __forceinline__ float2 values_of(Pair<float> x) { return x.raw; }
__device__ __forceinline__ float2 values_of(Pair<__half> x) { return __half22float2(x.raw); }
// An integer in the last bits of 2^23 + 128: conversion instructions are as scarce as exponentials.
__device__ __forceinline__ float2 values_of(Pair<int8_t> x) {
  const uint32_t bits = x.raw ^ 0x8080u, exponent = 0x4B000000u;
  return make_float2(__uint_as_float(__byte_perm(bits, exponent, 0x7440)) - 8388736.0f,
                     __uint_as_float(__byte_perm(bits, exponent, 0x7441)) - 8388736.0f);
}

// Two values of dt for the tensor cores: `power` (a power of two) times the integers.
__device__ __forceinline__ uint32_t halves_of(Pair<__half> x, __half2, __half2) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
// An integer in the last bits of 1024 + 128; `shift` is -1152 power.
__device__ __forceinline__ uint32_t halves_of(Pair<int8_t> x, __half2 power, __half2 shift) {
  const uint32_t bits = __byte_perm(x.raw ^ 0x8080u, 0x64006400u, 0x5150);
  __half2 biased;
  memcpy(&biased, &bits, sizeof bits);
  Pair<__half> result = {__hfma2(biased, power, shift)};
  return halves_of(result, power, shift);
}

template <typename T>
__device__ __forceinline__ Pair<T> load_pair(const T* from) {
  return *reinterpret_cast<const Pair<T>*>(from);
}

__device__ __forceinline__ void store(float* to, float x) { *to = x; }
__device__ __forceinline__ void store(__half* to, float x) { *to = __float2half_rn(x); }
// To nearest, ties to even; the limits are +-127, NaN becomes 0.
__device__ __forceinline__ void store(int8_t* to, float x) {
  *to = static_cast<int8_t>(x == x ? __float2int_rn(fminf(fmaxf(x, -127.0f), 127.0f)) : 0);
}

__device__ __forceinline__ void store_pair(float* to, float2 x) { *reinterpret_cast<float2*>(to) = x; }
__device__ __forceinline__ void store_pair(__half* to, float2 x) {
  *reinterpret_cast<__half2*>(to) = __floats2half2_rn(x.x, x.y);
}
__device__ __forceinline__ void store_pair(int8_t* to, float2 x) {
  int8_t values[2];
  store(values, x.x);
  store(values + 1, x.y);
  uint16_t bits;
  memcpy(&bits, values, sizeof bits);
  *reinterpret_cast<uint16_t*>(to) = bits;
}

// log2(1 + t) = t P(t), t in [0,1] (Remez, relative): 1.9e-7 for float32 maps, 8.4e-6 where y is rounded to 2^-11 or
// worse.
template <bool kExact>
__device__ __forceinline__ float log2_series(float t) {
  if (!kExact) {
    float p = -3.443590678e-02f;
    p = fmaf(p, t, 1.460328883e-01f);
    p = fmaf(p, t, -3.030362033e-01f);
    p = fmaf(p, t, 4.691740648e-01f);
    p = fmaf(p, t, -7.204261645e-01f);
    return fmaf(p, t, 1.442682920f);
  }
  float p = -1.231947399e-02f;
  p = fmaf(p, t, 6.360789369e-02f);
  p = fmaf(p, t, -1.553518741e-01f);
  p = fmaf(p, t, 2.560097187e-01f);
  p = fmaf(p, t, -3.533948275e-01f);
  p = fmaf(p, t, 4.800636965e-01f);
  p = fmaf(p, t, -7.213100882e-01f);
  return fmaf(p, t, 1.442694761f);
}

// softplus in units of ln 2: log2(1 + 2^z) = max(z,0) + log2(1 + 2^-|z|). NaN stays.
template <bool kExact>
__device__ __forceinline__ float softplus2(float z) {
  const float t = exp2_approx(-fabsf(z));
  return fmaf(log2_series<kExact>(t), t, fmaxf(z, 0.0f));
}

// Its slope, 2^z / (1 + 2^z).
__device__ __forceinline__ float sigmoid2(float z) {
  const float t = exp2_approx(-fabsf(z));
  return (z < 0.0f ? t : 1.0f) * reciprocal_approx(1.0f + t);
}

}  // namespace ss2d

#endif
