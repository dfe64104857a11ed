// A GPU for a CPU, before every source: the qualifiers, built-in variables, vector types and functions that the kernels
// use. A thread is a fiber (fibers.cpp); shuffles, barriers and tensor instructions wait for all fibers concerned.
#ifndef SHIM_DEVICE_H
#define SHIM_DEVICE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define VMAMBA_CUDA_INTRINSICS_CUH  // ours are below

#define __global__
#define __device__
#define __host__
#define __shared__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct __attribute__((may_alias, aligned(8))) int2 {
  int x, y;
};
struct __attribute__((may_alias, aligned(16))) int4 {
  int x, y, z, w;
};
struct __attribute__((may_alias, aligned(8))) float2 {
  float x, y;
};
struct __attribute__((may_alias, aligned(16))) float4 {
  float x, y, z, w;
};
inline int2 make_int2(int x, int y) { return {x, y}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace shim {

enum class Wait { kNothing, kWarp, kShuffle, kTensor, kBlock };
void wait(Wait what);       // until all lanes (kBlock: all threads) wait for the same
void* slot(unsigned lane);  // 32 bytes of a lane, which last until its warp's next but one exchange
constexpr int kSlotBytes = 32;

// Hands `own` to the warp and waits; then every lane can read from any slot.
void exchange(Wait what, const void* own, int bytes);

template <typename T>
T from_lane(T own, int lane) {
  exchange(Wait::kShuffle, &own, sizeof own);
  T value;
  memcpy(&value, slot(static_cast<unsigned>(lane)), sizeof value);
  return value;
}

inline int this_lane() { return static_cast<int>(threadIdx.x % 32); }

}  // namespace shim

inline void __syncthreads() { shim::wait(shim::Wait::kBlock); }
inline void __syncwarp(unsigned = 0xFFFFFFFFu) { shim::wait(shim::Wait::kWarp); }

template <typename T>
T __shfl_sync(unsigned, T value, int source, int width = 32) {
  const int lane = shim::this_lane();
  return shim::from_lane(value, lane - lane % width + source % width);
}
template <typename T>
T __shfl_up_sync(unsigned, T value, unsigned by, int width = 32) {
  const int lane = shim::this_lane();
  return shim::from_lane(value, lane % width >= int(by) ? lane - int(by) : lane);
}
template <typename T>
T __shfl_down_sync(unsigned, T value, unsigned by, int width = 32) {
  const int lane = shim::this_lane();
  return shim::from_lane(value, lane % width + int(by) < width ? lane + int(by) : lane);
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask, int = 32) {
  return shim::from_lane(value, shim::this_lane() ^ mask);
}

template <typename T>
T __ldg(const T* from) {
  return *from;
}
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return static_cast<uint32_t>(uint64_t{a} * b >> 32); }
inline float __uint_as_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
inline int __float2int_rn(float x) { return static_cast<int>(nearbyintf(x)); }
inline uint32_t __byte_perm(uint32_t x, uint32_t y, uint32_t selector) {
  const uint64_t bytes = uint64_t{y} << 32 | x;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) result |= uint32_t(bytes >> 8 * (selector >> 4 * i & 7) & 255) << 8 * i;
  return result;
}

namespace ss2d {

inline float exp2_approx(float x) {
  const float y = exp2f(x);
  return y < 1.17549435e-38f ? 0.0f : y;
}
template <typename T>
T* whole(T* pointer) {
  return pointer;
}
inline float reciprocal_approx(float x) { return 1.0f / x; }
void mma_16x8x8(float (&c)[4], uint32_t a0, uint32_t a1, uint32_t b);

}  // namespace ss2d

#endif
