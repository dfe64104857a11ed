// SelectiveScan2D forward on a GPU: dt projection, softplus, decay, recurrence and cross-merge of all routes in one
// kernel.
//
// Decomposition. A warp owns 16 channels and walks the route in tiles of 32 tokens; a lane has 2 channels and 8 tokens
// side by side. A block has `warps` warps along the tokens and `groups` along the channels:
//
//     tile of a warp        part 0     part 1     part 2     part 3       (lane % 4)
//     channels 0,1   quad 0 8 tokens   8 tokens   8 tokens   8 tokens
//     channels 2,3   quad 1 ...                                           one step of the block: 32 * warps tokens
//
// 1. z by tensor cores (float16, int8: mma.m16n8k8, the weights as a sum of two float16, so 22 bits; rows and columns
// of
//    the fragments are dealt so that a lane receives exactly what it scans) or by FFMA (float32). 2. softplus and
//    decay: two special functions and a polynomial. 3. the lane's 8 steps from h = 0, two rounds of shuffles in the
//    quad, one barrier, the runs of the warps before: its true start. 4. the 8 steps again from there, out of
//    registers; y is added to the block's strip.
// The strip holds the sums over the routes of the block's channels in float32: in shared memory where (height, width)
// fits, else in y (float32) or the workspace. A block does its routes one after the other, so nothing is atomic and
// sums repeat bit by bit. Where images x channel tiles are too few for the GPU (batch 1), each route gets its own
// blocks and strip, and merge_kernel adds them, again in a fixed order.
//
// Roofline, N = 1, float16, per element (route x pixel x channel), in issue slots of a warp (32 elements), counted in
// the sm_90 code: places, u, B and C 8; projection 1.8 per 8 of R, and 1.6; softplus and drive 10; decay, first
// recurrence, exchange 13; second recurrence, y, strip 11: 44 + 0.22 R. Special functions: 2, of 8 slots each (4 lanes
// a cycle and scheduler), so issue is the limit: at R = 24 it takes 3 times as long as the special functions and, on an
// H200, about 6 times as long as the bytes (u, y once, x_dbl once; other routes' reads come from L2). lg2.approx in
// place of the polynomial would save 3 slots, put 8 more on the special functions and lose the relative accuracy of
// small time steps. Without the tensor cores the projection alone would take 1.2 R to 1.9 R. None of this has been
// measured: the script tests/gpu/check_gpu.py prints bytes, special functions and the operator's own arithmetic as the
// roofline, this count apart from it, and the time beside them.
#ifndef VMAMBA_CUDA_SELECTIVE_SCAN_CUH
#define VMAMBA_CUDA_SELECTIVE_SCAN_CUH

#include "block.cuh"
#include "project.cuh"

namespace ss2d {

template <typename T>
struct IsFloat {
  static constexpr bool value = false;
};
template <>
struct IsFloat<float> {
  static constexpr bool value = true;
};

// A lane's two channels. Beyond the last channel the lane computes the last ones again and writes nothing.
struct Lane {
  int channel[2];
  bool live[2];

  __device__ __forceinline__ Lane(const Problem& p, int index, bool pairs) {
    const int first = min(index, pairs ? p.channels - 2 : p.channels - 1);
    for (int c = 0; c < 2; ++c) {
      channel[c] = min(first + c, p.channels - 1);
      live[c] = index + c < p.channels;
    }
  }
};

// A lane's tokens after the softplus.
struct Tile {
  float log[kForwardSteps][2];    // delta / ln 2
  float drive[kForwardSteps][2];  // delta u / ln 2, without its scales
};

template <typename T, bool kPair>
__device__ __forceinline__ float2 values_at(const Cursor<T, kPair>& map, int pixel) {
  if (kPair) return values_of(load_pair(map.at(pixel)));
  return make_float2(value_of(*map.at(pixel)), value_of(*map.next(pixel)));
}

template <typename T, bool kPair>
__device__ __forceinline__ void put_values(const Cursor<T, kPair>& map, int pixel, const Lane& lane, float2 values) {
  if (kPair) {
    if (lane.live[0]) store_pair(map.at(pixel), values);
    return;
  }
  if (lane.live[0]) store(map.at(pixel), values.x);
  if (lane.live[1]) store(map.next(pixel), values.y);
}

// The sums over the routes at the block's pixels and channels.
template <bool kPair, bool kShared>
struct Strip {
  Cursor<float, kPair> global;
  float* shared;

  __device__ __forceinline__ Strip(const Problem& p, const Place& at, const Lane& lane, char* memory) {
    if (kShared) {
      shared = reinterpret_cast<float*>(memory + p.strip_at) + at.group * kChannels + at.quad;
    } else {
      global = Cursor<float, kPair>(p.strip, at.image * p.strip.batch + at.route * p.strip_route, lane.channel);
    }
  }

  __device__ __forceinline__ float2 get(int pixel, int cell) const {
    if (!kShared) return values_at(global, pixel);
    const float* from = shared + cell;
    return make_float2(from[0], from[kQuads]);
  }

  __device__ __forceinline__ void put(int pixel, int cell, const Lane& lane, float2 sum) const {
    if (!kShared) return put_values(global, pixel, lane, sum);
    float* to = shared + cell;
    to[0] = sum.x;
    to[kQuads] = sum.y;
  }
};

enum { kFloat32 = 0, kFloat16 = 1, kInt8 = 2 };  // ss2d_dtype

// T: of u; float16 has y of its own type, int8 may have either.
template <typename T, bool kPair>
__device__ __forceinline__ void put_y(const Problem& p, int image, const Lane& lane, int pixel, float2 sum) {
  const int64_t offset = image * p.y.batch;
  if (sizeof(T) == 2 || p.y_dtype == kFloat16)
    return put_values(Cursor<__half, kPair>(p.y, offset, lane.channel), pixel, lane, sum);
  const float2 scaled = make_float2(sum.x * p.y_inverse, sum.y * p.y_inverse);
  put_values(Cursor<int8_t, kPair>(p.y, offset, lane.channel), pixel, lane, scaled);
}

// One route's weights of a lane's channels.
struct Weights {
  const float *dt[2], *decay[2];
  float bias[2], skip[2], only_decay[2];  // only_decay: A where N = 1

  // `k_first`, `k_last`: the routes whose D this route adds for all.
  __device__ __forceinline__ Weights(const Problem& p, const Lane& lane, int k, int k_first, int k_last) {
    for (int c = 0; c < 2; ++c) {
      const int64_t row = times(k, p.channels) + lane.channel[c];
      dt[c] = p.dt_weight + row * p.rank;
      decay[c] = p.A + row * p.states;
      only_decay[c] = __ldg(decay[c]);
      bias[c] = __ldg(p.dt_bias + row) * kLog2E;
      skip[c] = 0.0f;
#pragma unroll 1
      for (int i = k_first; i < k_last; ++i) skip[c] += __ldg(p.D + times(i, p.channels) + lane.channel[c]);
      skip[c] *= p.skip_scale;
    }
  }
};

// Steps 1 and 2 but for the decay.
template <typename T, bool kFast>
__device__ __forceinline__ void prepare(const Problem& p, const Place& at, const Cursor<T, kFast>& u,
                                        const Weights& weights, const Scalars<T>& x, const Fragment* fragments,
                                        int tokens, Stage<kForwardSteps>& stage, Tile& tile) {
  constexpr int kSteps = kForwardSteps;
  const Spots<kSteps> pixels(stage.pixel, at.part);
  constexpr bool kTensor = kFast && !IsFloat<T>::value;
  float2 in[kSteps];
#pragma unroll
  for (int t = 0; t < kSteps; ++t) {
    if (kTensor) in[t] = values_at(u, pixels.at[t]);
    for (int c = 0; c < 2; ++c) tile.log[t][c] = weights.bias[c];
  }
  if constexpr (kTensor)
    project_tensor(p, at, x, fragments, stage, tile.log);
  else
    project<T, kFast>(p, at, x, weights.dt, stage, tile.log);
#pragma unroll
  for (int t = 0; t < kSteps; ++t)
    if (!kTensor) in[t] = values_at(u, pixels.at[t]);  // FFMA needs the registers
#pragma unroll
  for (int t = 0; t < kSteps; ++t) {
    const float values[2] = {in[t].x, in[t].y};
    for (int c = 0; c < 2; ++c) {
      const float log = softplus2<IsFloat<T>::value>(tile.log[t][c]);
      tile.log[t][c] = log;
      tile.drive[t][c] = log * values[c];
    }
  }
  if (tokens >= kSteps) return;
#pragma unroll
  for (int t = 0; t < kSteps; ++t)
    for (int c = 0; c < 2; ++c)
      if (t >= tokens) tile.log[t][c] = tile.drive[t][c] = 0.0f;  // beyond the route: the state stays
}

// One state's decays and inputs, and the run of the lane's tokens.
__device__ __forceinline__ Run local_run(const Tile& tile, const float (&A)[2], const float4* bc, int part,
                                         float (&decay)[kForwardSteps][2], float (&input)[kForwardSteps][2]) {
  Run run = {{1.0f, 1.0f}, {0.0f, 0.0f}};
#pragma unroll
  for (int t = 0; t < kForwardSteps; ++t) {
    const float4 two = bc[bank_of(kForwardSteps / 2 * part + t / 2)];
    for (int c = 0; c < 2; ++c) {
      decay[t][c] = exp2_approx(tile.log[t][c] * A[c]);
      input[t][c] = tile.drive[t][c] * (t % 2 ? two.z : two.x);
      run.state[c] = fmaf(decay[t][c], run.state[c], input[t][c]);
      run.decay[c] *= decay[t][c];
    }
  }
  return run;
}

// Step 4 of one state: C h from the true start, added to y where there were states before.
__device__ __forceinline__ void add_outputs(const float (&decay)[kForwardSteps][2],
                                            const float (&input)[kForwardSteps][2], const float4* bc, int part,
                                            bool more, float (&state)[2], float (&y)[kForwardSteps][2]) {
#pragma unroll
  for (int t = 0; t < kForwardSteps; ++t) {
    const float4 two = bc[bank_of(kForwardSteps / 2 * part + t / 2)];
    for (int c = 0; c < 2; ++c) {
      state[c] = fmaf(decay[t][c], state[c], input[t][c]);
      y[t][c] = fmaf(t % 2 ? two.w : two.y, state[c], more ? y[t][c] : 0.0f);
    }
  }
}

}  // namespace ss2d

#endif
