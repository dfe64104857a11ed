// The forward kernels: selective_scan.cuh's steps over the routes and tiles of a block, and the sum of separate routes.
#ifndef VMAMBA_CUDA_FORWARD_CUH
#define VMAMBA_CUDA_FORWARD_CUH

#include "selective_scan.cuh"

namespace ss2d {

// What a route is to the strip.
struct Turn {
  int k;
  bool first, finish;  // the strip holds nothing yet; y is complete after it
};

// The last step of a tile: D u or the sums of the routes before, plus y, into the strip or out. kWhole: all tokens lie
// on the route.
template <typename T, bool kFast, bool kShared, bool kWhole>
__device__ __forceinline__ void put_outputs(const Problem& p, const Place& at, const Lane& lane,
                                            const Cursor<T, kFast>& u, const Weights& weights,
                                            const Strip<kFast, kShared>& strip, Turn turn, int tokens,
                                            const Spots<kForwardSteps>& pixels, const Spots<kForwardSteps>& cells,
                                            float (&y)[kForwardSteps][2]) {
  if (turn.first) {
#pragma unroll
    for (int t = 0; t < kForwardSteps; ++t) {
      const float2 in = values_at(u, pixels.at[t]);
      y[t][0] = fmaf(weights.skip[0], in.x, y[t][0]);
      y[t][1] = fmaf(weights.skip[1], in.y, y[t][1]);
    }
  } else {
#pragma unroll
    for (int t = 0; t < kForwardSteps; ++t) {
      const float2 sum = strip.get(pixels.at[t], cells.at[t]);
      y[t][0] += sum.x;
      y[t][1] += sum.y;
    }
  }
  if (!IsFloat<T>::value && turn.finish) {
#pragma unroll
    for (int t = 0; t < kForwardSteps; ++t)
      if (kWhole || t < tokens) put_y<T, kFast>(p, at.image, lane, pixels.at[t], make_float2(y[t][0], y[t][1]));
  } else {
#pragma unroll
    for (int t = 0; t < kForwardSteps; ++t)
      if (kWhole || t < tokens) strip.put(pixels.at[t], cells.at[t], lane, make_float2(y[t][0], y[t][1]));
  }
}

template <typename T, bool kFast, bool kShared>
__device__ __forceinline__ void scan_route(const Problem& p, const Place& at, const Lane& lane, Turn turn,
                                           char* shared) {
  Stage<kForwardSteps>& stage =
      *reinterpret_cast<Stage<kForwardSteps>*>(shared + p.stage_at + (at.group * p.warps + at.warp) * p.stage_bytes);
  Fragment* fragments = reinterpret_cast<Fragment*>(shared + p.weights_at) + at.group * p.rank_steps * kWarp;
  const Strip<kFast, kShared> strip(p, at, lane, shared);
  const Cursor<T, kFast> u(p.u, at.image * p.u.batch, lane.channel);
  const Exchange exchange(p, shared);
  const Weights weights(p, lane, turn.k, p.split ? turn.k : 0, p.split ? turn.k + 1 : turn.first ? p.routes : 0);
  const Scalars<T> x(p, at.image, turn.k);
  if (kFast && !IsFloat<T>::value) stage_weights(p, at, turn.k, fragments);
  __syncthreads();
  const int states = kFast ? 1 : p.states, block_tokens = p.warps * stage.kTile;
  const int route = route_of(p, turn.k);
  int parity = 0;
  for (int step = 0; step * block_tokens < p.length; ++step) {
    const int first = step * block_tokens + at.warp * stage.kTile;
    // The barrier below, in another place of the text, for the warps that have no tile. PTX allows that: bar.sync
    // counts the warps that arrive at barrier 0 wherever they do, and asks (from sm_70 on too, as it is the aligned
    // form) that a warp's lanes take the same one. The condition is alike in all lanes of a warp.
    if (first >= p.length || !at.inside) {
      for (int n = 0; n < states; ++n) __syncthreads();
      continue;
    }
    const int tokens = p.length - first - kForwardSteps * at.part;
    Tile tile;
    stage_spots(p, at, route, first, stage);
    if (kFast) stage_bc<T, true>(p, at, x, 0, stage);
    prepare<T, kFast>(p, at, u, weights, x, fragments, tokens, stage, tile);
    __syncwarp();
    float y[kForwardSteps][2];
    for (int n = 0; n < states; ++n, parity ^= 1) {
      float decay[kForwardSteps][2], input[kForwardSteps][2], state[2] = {0.0f, 0.0f}, A[2];
      if (!kFast) {
        __syncwarp();  // the last state's have been read
        stage_bc<T, false>(p, at, x, n, stage);
        __syncwarp();
      }
      for (int c = 0; c < 2; ++c) A[c] = kFast ? weights.only_decay[c] : __ldg(weights.decay[c] + n);
      Run run = local_run(tile, A, stage.bc, at.part, decay, input);
      const Run before = scan_quad<false>(at.part, run);
      if (at.part == 3) exchange.put(at, parity, run);
      __syncthreads();
      if (step) {
        const float2 carry = *exchange.carry(at, step, n);
        state[0] = carry.x;
        state[1] = carry.y;
      }
      exchange.fold(at, parity, 0, at.warp, 1, state);
      for (int c = 0; c < 2; ++c) state[c] = fmaf(before.decay[c], state[c], before.state[c]);
      add_outputs(decay, input, stage.bc, at.part, n > 0, state, y);
      if (at.warp == p.warps - 1 && at.part == 3) *exchange.carry(at, step + 1, n) = make_float2(state[0], state[1]);
    }
    const Spots<kForwardSteps> pixels(stage.pixel, at.part), cells(stage.cell, at.part);
    if (first + stage.kTile <= p.length)
      put_outputs<T, kFast, kShared, true>(p, at, lane, u, weights, strip, turn, tokens, pixels, cells, y);
    else
      put_outputs<T, kFast, kShared, false>(p, at, lane, u, weights, strip, turn, tokens, pixels, cells, y);
  }
}

// T: of u and x_dbl. kFast: N = 1, pairs of neighbours aligned, R and D even. kShared: the strip lies in shared memory.
template <typename T, bool kFast, bool kShared>
__global__ void __launch_bounds__(kWarp*(kFast ? kMaxWarps : kAnyWarps), 1) forward_kernel(const Problem p) {
  extern __shared__ float4 ss2d_shared[];
  const Place at(p);
  const Lane lane(p, at.channel, kFast);
  const int begin = p.split ? at.route : 0, end = p.split ? at.route + 1 : p.routes;
  for (int k = begin; k < end; ++k) {
    __syncthreads();  // the last route's weights, runs and sums are done with
    scan_route<T, kFast, kShared>(p, at, lane, {k, k == begin, !p.split && k == end - 1},
                                  reinterpret_cast<char*>(ss2d_shared));
  }
}

// y from the strips of separate routes, added in the routes' order. A thread has two channels of a pixel.
template <bool kFast>
__global__ void __launch_bounds__(256) merge_kernel(const Problem p) {
  const int pairs = (p.channels + 1) / 2, item = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (item >= p.images * p.length * pairs) return;
  const int spot = divide(item, p.by_pairs), image = divide(spot, p.by_length), pixel = spot - image * p.length;
  const Lane lane(p, 2 * (item - spot * pairs), kFast);
  float2 sum = make_float2(0.0f, 0.0f);
  for (int k = 0; k < p.routes; ++k) {
    const Cursor<float, kFast> strip(p.strip, image * p.strip.batch + k * p.strip_route, lane.channel);
    const float2 one = values_at(strip, pixel);
    sum = make_float2(sum.x + one.x, sum.y + one.y);
  }
  if (p.y_dtype == kFloat32)
    put_values(Cursor<float, kFast>(p.y, image * p.y.batch, lane.channel), pixel, lane, sum);
  else
    put_y<int8_t, kFast>(p, image, lane, pixel, sum);
}

}  // namespace ss2d

#endif
