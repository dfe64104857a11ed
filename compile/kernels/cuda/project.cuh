// From x_dbl to z = log2(e) (dt_weight dt + dt_bias) of a warp's tile: 16 channels, 4 kSteps tokens. Float32 maps and
// those not aligned for pairs go through shared memory and FFMA, float16 and int8 ones straight to the tensor cores.
#ifndef VMAMBA_CUDA_PROJECT_CUH
#define VMAMBA_CUDA_PROJECT_CUH

#include "values.cuh"

namespace ss2d {

// A warp's own part of shared memory.
template <int kSteps>
struct Stage {
  static constexpr int kTile = 4 * kSteps;
  alignas(16) int pixel[kTile], cell[kTile];  // where the tokens lie in the maps, and in the strip in floats
  float4 bc[kTile / 2];                       // B and C of two tokens, with their scales
  float dt[kRankStep][kTile];                 // only where FFMA does the projection
};
static_assert(sizeof(Stage<kForwardSteps>) == 32 * (4 + 4 + 8) + 32 * 32, "plan.h reserves it");

// Two tokens' B and C: permuted so that the four lanes of a quad read from different banks.
__device__ __forceinline__ int bank_of(int index) { return index ^ (index >> 3 & 1); }

// One route's values at the pixels of one image.
template <typename T>
struct Scalars {
  const char* data;
  int pixel_stride, stride;

  __device__ __forceinline__ Scalars(const Problem& p, int image, int k)
      : data(whole(static_cast<const char*>(p.x.data) + image * p.x.batch +
                   times(k, p.rank + 2 * p.states) * p.x.channel)),
        pixel_stride(p.x.pixel),
        stride(p.x.channel) {}

  __device__ __forceinline__ const T* at(int pixel) const {
    return reinterpret_cast<const T*>(data + times(pixel, pixel_stride));
  }
  __device__ __forceinline__ T value(const T* from, int index) const {
    return *reinterpret_cast<const T*>(reinterpret_cast<const char*>(from) + times(index, stride));
  }
};

// The places of a lane's tokens.
template <int kSteps>
struct Spots {
  int at[kSteps];

  __device__ __forceinline__ Spots(const int* places, int part) {
#pragma unroll
    for (int i = 0; i < kSteps; i += 4) {
      const int4 four = *reinterpret_cast<const int4*>(places + kSteps * part + i);
      at[i] = four.x;
      at[i + 1] = four.y;
      at[i + 2] = four.z;
      at[i + 3] = four.w;
    }
  }
};

template <int kSteps>
__device__ __forceinline__ void stage_spots(const Problem& p, const Place& at, int route, int first,
                                            Stage<kSteps>& stage) {
  __syncwarp();  // the last tile has been read
  if (at.lane < stage.kTile) {
    const int2 spot = spot_of(p, route, min(first + at.lane, p.length - 1));
    stage.pixel[at.lane] = spot.x;
    stage.cell[at.lane] = spot.y * p.strip_row;
  }
  __syncwarp();
}

// B and C of state n; the caller syncs the warp before they are read.
template <typename T, bool kFast, int kSteps>
__device__ __forceinline__ void stage_bc(const Problem& p, const Place& at, const Scalars<T>& x, int n,
                                         Stage<kSteps>& stage) {
  if (at.lane >= stage.kTile) return;
  const T* from = x.at(stage.pixel[at.lane]);
  float2 bc;
  if (kFast)
    bc = values_of(load_pair(from + p.rank));
  else
    bc = make_float2(value_of(x.value(from, p.rank + n)), value_of(x.value(from, p.rank + p.states + n)));
  reinterpret_cast<float2*>(stage.bc + bank_of(at.lane / 2))[at.lane % 2] =
      make_float2(bc.x * p.drive_scale, bc.y * p.out_scale);
}

// Eight values of dt, from r on, of the warp's tokens.
template <typename T, bool kFast, int kSteps>
__device__ __forceinline__ void stage_dt(const Problem& p, const Place& at, const Scalars<T>& x, int r,
                                         Stage<kSteps>& stage) {
  __syncwarp();  // the last eight have been read
  if (at.lane < stage.kTile) {
    const T* from = x.at(stage.pixel[at.lane]);
#pragma unroll
    for (int j = 0; j < kRankStep; j += 2) {
      float2 dt = make_float2(0.0f, 0.0f);
      if (kFast) {
        if (r + j < p.rank) dt = values_of(load_pair(from + r + j));
      } else {
        if (r + j < p.rank) dt.x = value_of(x.value(from, r + j));
        if (r + j + 1 < p.rank) dt.y = value_of(x.value(from, r + j + 1));
      }
      stage.dt[j][at.lane] = dt.x * p.dt_scale;
      stage.dt[j + 1][at.lane] = dt.y * p.dt_scale;
    }
  }
  __syncwarp();
}

// z += dt_weight dt with FFMA. `weights`: the rows of the lane's two channels.
template <typename T, bool kFast, int kSteps>
__device__ __forceinline__ void project(const Problem& p, const Place& at, const Scalars<T>& x,
                                        const float* const (&weights)[2], Stage<kSteps>& stage, float (&z)[kSteps][2]) {
  _Pragma("unroll 1") for (int r = 0; r < p.rank; r += kRankStep) {
    stage_dt<T, kFast>(p, at, x, r, stage);
    float w[2][kRankStep];
#pragma unroll
    for (int j = 0; j < kRankStep; ++j)
      for (int c = 0; c < 2; ++c) w[c][j] = r + j < p.rank ? __ldg(weights[c] + r + j) : 0.0f;
#pragma unroll
    for (int j = 0; j < kRankStep; ++j) {
      const float4* dt = reinterpret_cast<const float4*>(stage.dt[j] + kSteps * at.part);
#pragma unroll
      for (int t = 0; t < kSteps; t += 4) {
        const float4 four = dt[t / 4];
        const float values[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (int i = 0; i < 4; ++i)
          for (int c = 0; c < 2; ++c) z[t + i][c] = fmaf(w[c][j], values[i], z[t + i][c]);
      }
    }
  }
}

// Eight columns of dt_weight as the tensor cores want them: the sum of two float16, 22 bits, of the lane's two
// channels.
struct alignas(16) Fragment {
  uint32_t high[2], low[2];
};
static_assert(sizeof(Fragment) == 16, "one load");

__device__ __forceinline__ uint32_t bits_of(__half2 x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

// Weights beyond +-131008 / log2(e) are cut: float16 has nothing to hold them. NaN stays.
__device__ __forceinline__ float cut(float x) {
  return x > kLargestHalf ? kLargestHalf : x < -kLargestHalf ? -kLargestHalf : x;
}

// One route's weights into shared memory, by all warps of a group.
__device__ __forceinline__ void stage_weights(const Problem& p, const Place& at, int k, Fragment* to) {
  for (int i = at.warp; i < p.rank_steps; i += p.warps) {
    const int r = kRankStep * i + 2 * at.part;
    Fragment fragment;
#pragma unroll
    for (int c = 0; c < 2; ++c) {
      float2 w = make_float2(0.0f, 0.0f);
      if (at.channel + c < p.channels && r < p.rank) {  // the rank is even here
        const float* row = p.dt_weight + (times(k, p.channels) + at.channel + c) * p.rank + r;
        w = make_float2(__ldg(row) * (kLog2E * p.dt_rest), __ldg(row + 1) * (kLog2E * p.dt_rest));
      }
      const __half2 high = __floats2half2_rn(cut(w.x), cut(w.y));
      const float2 rounded = __half22float2(high);
      fragment.high[c] = bits_of(high);
      fragment.low[c] = bits_of(__floats2half2_rn(cut(w.x - rounded.x), cut(w.y - rounded.y)));
    }
    to[i * kWarp + at.lane] = fragment;
  }
}

// z += dt_weight dt on the tensor cores: weights (16,8) times dt (8,8), four times for 32 tokens. Rows and columns are
// dealt so that a lane gets channels 2 quad, 2 quad + 1 and tokens 8 part .. 8 part + 7: what it scans, without an
// exchange.
template <typename T>
__device__ __forceinline__ void project_tensor(const Problem& p, const Place& at, const Scalars<T>& x,
                                               const Fragment* weights, const Stage<kForwardSteps>& stage,
                                               float (&z)[kForwardSteps][2]) {
  constexpr int kTiles = 4;
  const auto at_step = [](const char* begin, int i) {
    return reinterpret_cast<const T*>(begin + times(i, kRankStep * int{sizeof(T)}));
  };
  const __half2 power = __float2half2_rn(p.dt_power), shift = __float2half2_rn(-1152.0f * p.dt_power);
  const char* from[kTiles];
  float sums[kTiles][4];
#pragma unroll
  for (int j = 0; j < kTiles; ++j) {
    const int token = 8 * (at.quad / 2) + 2 * j + at.quad % 2;  // this lane brings it, whoever gets the product
    from[j] = whole(reinterpret_cast<const char*>(x.at(stage.pixel[token]) + 2 * at.part));
    for (int i = 0; i < 4; ++i) sums[j][i] = z[2 * j + i % 2][i / 2];
  }
#pragma unroll 1
  for (int i = 0; i < p.rank_steps; ++i) {
    const Fragment w = weights[i * kWarp + at.lane];
    const bool inside = kRankStep * i + 2 * at.part < p.rank;  // beyond it lie B and C, which may be NaN
    uint32_t dt[kTiles];
#pragma unroll
    for (int j = 0; j < kTiles; ++j) dt[j] = inside ? halves_of(load_pair(at_step(from[j], i)), power, shift) : 0u;
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      mma_16x8x8(sums[j], w.high[0], w.high[1], dt[j]);
      mma_16x8x8(sums[j], w.low[0], w.low[1], dt[j]);
    }
  }
#pragma unroll
  for (int j = 0; j < kTiles; ++j)
    for (int i = 0; i < 4; ++i) z[2 * j + i % 2][i / 2] = sums[j][i];
}
static_assert(kForwardSteps == 8 && kRankStep == 8, "the shapes of project_tensor");

}  // namespace ss2d

#endif
