// backward_kernel: the second sweep over a route and the order of it all. See backward.cuh.
#ifndef VMAMBA_CUDA_BACKWARD_KERNEL_CUH
#define VMAMBA_CUDA_BACKWARD_KERNEL_CUH

#include "backward.cuh"

namespace ss2d {

// A block on one route.
template <bool kFast>
struct Sweep {
  const Backward& g;
  const Place& at;
  const Lane& lane;
  int k;
  bool first;  // gu holds nothing yet
  Cursor<float, kFast> u, gy, gu;
  Weights weights;
  Scalars<float> x;
  Exchange exchange;
  float2* starts;
  Stage<kBackwardSteps>& stage;
  float2* sums;  // (N + 1, quads), the warp's

  __device__ __forceinline__ Sweep(const Backward& backward, const Place& place, const Lane& its, int route,
                                   char* shared)
      : g(backward),
        at(place),
        lane(its),
        k(route),
        first(route == 0),
        u(g.scan.u, at.image * g.scan.u.batch, lane.channel),
        gy(g.gy, at.image * g.gy.batch, lane.channel),
        gu(g.gu, at.image * g.gu.batch, lane.channel),
        weights(g.scan, lane, k, 0, first ? g.scan.routes : 0),
        x(g.scan, at.image, k),
        exchange(g.scan, shared),
        starts(g.starts + static_cast<int64_t>(blockIdx.x) * g.steps * g.scan.states * kQuads),
        stage(*reinterpret_cast<Stage<kBackwardSteps>*>(shared + g.scan.stage_at + at.warp * g.scan.stage_bytes)),
        sums(reinterpret_cast<float2*>(shared + g.sums_at) + at.warp * (g.scan.states + 1) * kQuads) {}

  // What a step needs before its states.
  __device__ __forceinline__ void begin(const Spot& spot, Trace& trace) {
    stage_spots(g.scan, at, route_of(g.scan, k), spot.first, stage);
    trace_inputs<kFast>(g.scan, at, u, weights, x, spot.tokens, stage, trace);
    float d_sum[2] = {0.0f, 0.0f};
#pragma unroll
    for (int t = 0; t < kBackwardSteps; ++t) {
      const float2 up = values_at(gy, stage.pixel[kBackwardSteps * at.part + t]);
      const float values[2] = {up.x, up.y};
      for (int c = 0; c < 2; ++c) {
        trace.gy[t][c] = t < spot.tokens && lane.live[c] ? values[c] : 0.0f;
        trace.g_drive[t][c] = trace.g_exponent[t][c] = 0.0f;
        d_sum[c] += trace.gy[t][c] * trace.u[t][c];
      }
    }
    add_sum(at, sums + g.scan.states * kQuads + at.quad, d_sum);
  }

  // Both recurrences of one state over the lane's tokens; their runs go to the other warps.
  __device__ __forceinline__ void runs(const Spot& spot, const Trace& trace, int n, int parity, const float (&A)[2],
                                       State& state, Run& before, Run& after) {
    __syncwarp();  // the last state's B and C have been read
    stage_bc<float, kFast>(g.scan, at, x, n, stage);
    __syncwarp();
    Run run = state.begin(trace, A, stage.bc, at.part, spot.tokens);
    Run back = {{run.decay[0], run.decay[1]}, {0.0f, 0.0f}};
#pragma unroll
    for (int t = kBackwardSteps - 1; t >= 0; --t)
      for (int c = 0; c < 2; ++c) back.state[c] = state.decay[t][c] * fmaf(trace.gy[t][c], state.c[t], back.state[c]);
    before = scan_quad<false>(at.part, run);
    after = scan_quad<true>(at.part, back);
    if (at.part == 3) exchange.put(at, parity, run);
    if (at.part == 0) exchange.put(at, parity + 2, back);
  }

  // One state after the barrier: true starts from both ends, gradients, the carry for the step before.
  __device__ __forceinline__ void finish(const Spot& spot, int step, int n, int parity, const float (&A)[2],
                                         const State& state, const Run& before, const Run& after, Trace& trace) {
    const Problem& p = g.scan;
    float h[2] = {0.0f, 0.0f}, carry[2] = {0.0f, 0.0f}, bc;
    if (step) {
      const float2 start = starts[(static_cast<int64_t>(step) * p.states + n) * kQuads + at.quad];
      h[0] = start.x;
      h[1] = start.y;
    }
    if (step + 1 < g.steps) {
      const float2 last = *exchange.carry(at, step + 1, n);
      carry[0] = last.x;
      carry[1] = last.y;
    }
    const int tile = 4 * kBackwardSteps, left = p.length - step * p.warps * tile,
              warps = min(p.warps, (left + tile - 1) / tile);
    exchange.fold(at, parity, 0, at.warp, 1, h);
    exchange.fold(at, parity + 2, warps - 1, at.warp, -1, carry);
    for (int c = 0; c < 2; ++c) {
      h[c] = fmaf(before.decay[c], h[c], before.state[c]);
      carry[c] = fmaf(after.decay[c], carry[c], after.state[c]);
    }
    reverse_tokens(at, state, A, h, carry, trace, sums + n * kQuads + at.quad, bc);
    if (at.warp == 0 && at.part == 0) *exchange.carry(at, step, n) = make_float2(carry[0], carry[1]);
    if (at.quad / 2 < spot.tokens) {  // value 2 t is B's of token t, 2 t + 1 is C's
      const int pixel = stage.pixel[kBackwardSteps * at.part + at.quad / 2];
      const int64_t tiled = (blockIdx.x % p.tiles) * static_cast<int64_t>(p.routes) + k;
      g.bc[(((tiled * p.images + at.image) * p.length + pixel) * 2 + at.quad % 2) * p.states + n] = bc;
    }
  }

  // What a step leaves once its states are through: gradients of u and z.
  __device__ __forceinline__ void end(const Spot& spot, const Trace& trace) {
    const Problem& p = g.scan;
    float* gz = g.gz + (static_cast<int64_t>(k) * p.images + at.image) * p.length * p.channels;
#pragma unroll
    for (int t = 0; t < kBackwardSteps; ++t) {
      if (t >= spot.tokens) continue;
      const int pixel = stage.pixel[kBackwardSteps * at.part + t];
      float sum[2];
      for (int c = 0; c < 2; ++c) {
        sum[c] =
            trace.g_drive[t][c] * trace.log[t][c] + weights.skip[c] * trace.gy[t][c];  // skip is 0 but on the first
        const float g_delta = fmaf(trace.g_drive[t][c] * kLog2E, trace.u[t][c], trace.g_exponent[t][c]);
        if (lane.live[c]) gz[times(pixel, p.channels) + lane.channel[c]] = g_delta * trace.slope[t][c];
      }
      float2 old = make_float2(0.0f, 0.0f);
      if (!first) old = values_at(gu, pixel);
      put_values(gu, pixel, lane, make_float2(old.x + sum[0], old.y + sum[1]));
    }
  }
};

// The warps' sums of A and D, added in their order, for gradients.cuh.
__device__ __forceinline__ void put_sums(const Backward& g, const Place& at, int k, const float2* sums) {
  const Problem& p = g.scan;
  const int rows = (p.states + 1) * kQuads, first = (blockIdx.x % p.tiles) * kChannels;
  for (int i = static_cast<int>(threadIdx.x); i < 2 * rows; i += static_cast<int>(blockDim.x)) {
    const int n = i / kChannels, channel = first + i % kChannels;
    if (channel >= p.channels) continue;
    float sum = 0.0f;
    for (int warp = 0; warp < p.warps; ++warp) sum += reinterpret_cast<const float*>(sums + warp * rows)[i];
    g.image_sums[((at.image * static_cast<int64_t>(p.routes) + k) * (p.states + 1) + n) * p.channels + channel] = sum;
  }
}

template <bool kFast>
__global__ void __launch_bounds__(kWarp* kAnyWarps, 1) backward_kernel(const Backward g) {
  extern __shared__ float4 ss2d_shared[];
  char* shared = reinterpret_cast<char*>(ss2d_shared);
  const Problem& p = g.scan;
  const Place at(p);
  const Lane lane(p, at.channel, kFast);
  float2* sums = reinterpret_cast<float2*>(shared + g.sums_at);
  for (int k = 0; k < p.routes; ++k) {
    __syncthreads();  // the last route's sums have been read
    for (int i = static_cast<int>(threadIdx.x); i < p.warps * (p.states + 1) * kQuads;
         i += static_cast<int>(blockDim.x))
      sums[i] = make_float2(0.0f, 0.0f);
    __syncthreads();
    Sweep<kFast> sweep(g, at, lane, k, shared);
    trace_starts<kFast>(g, at, sweep.u, sweep.weights, sweep.x, sweep.exchange, k, sweep.starts, sweep.stage);
    __syncthreads();  // the starts are seen by all
    for (int step = g.steps - 1, parity = 0; step >= 0; --step) {
      const Spot spot(p, at, step);
      Trace trace = {};
      if (spot.active) sweep.begin(spot, trace);
      for (int n = 0; n < p.states; ++n, parity ^= 1) {
        State state = {};
        Run before = {}, after = {};
        const float A[2] = {__ldg(sweep.weights.decay[0] + n), __ldg(sweep.weights.decay[1] + n)};
        if (spot.active) sweep.runs(spot, trace, n, parity, A, state, before, after);
        __syncthreads();
        if (spot.active) sweep.finish(spot, step, n, parity, A, state, before, after, trace);
      }
      if (spot.active) sweep.end(spot, trace);
    }
    __syncthreads();
    put_sums(g, at, k, sums);
  }
}

}  // namespace ss2d

#endif
