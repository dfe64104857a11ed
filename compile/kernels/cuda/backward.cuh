// The backward pass along the routes, float32. A block takes 16 channels of an image through all routes: forward once
// for the states at the starts of its steps, then back, each step computed again.
//
//   gh_s = gy_s C_s + a_(s+1) gh_(s+1)       a = exp(delta A), gh = dLoss/dh
//   d(delta A) = gh_s a_s h_(s-1)            d(delta u) = gh_s B_s           dz = d(delta) sigmoid(z)
//
// Both recurrences of a step share one barrier. Nothing is atomic: what sums over channels, images or pixels is left in
// the workspace and added by gradients.cuh in a fixed order, so gradients repeat bit by bit.
#ifndef VMAMBA_CUDA_BACKWARD_CUH
#define VMAMBA_CUDA_BACKWARD_CUH

#include "selective_scan.cuh"

namespace ss2d {

// A lane's tokens on the way back; as Tile, and what the gradients need.
struct Trace {
  float log[kBackwardSteps][2], slope[kBackwardSteps][2];  // delta / ln 2, its derivative by z
  float u[kBackwardSteps][2], gy[kBackwardSteps][2];
  float g_drive[kBackwardSteps][2], g_exponent[kBackwardSteps][2];  // of ln 2 delta u, of delta through the decay
};

// Where a lane is on its route.
struct Spot {
  int first, tokens;  // of the warp; of the lane, may be below 0
  bool active;

  __device__ __forceinline__ Spot(const Problem& p, const Place& at, int step) {
    constexpr int kTile = 4 * kBackwardSteps;
    first = (step * p.warps + at.warp) * kTile;
    tokens = p.length - first - kBackwardSteps * at.part;
    active = first < p.length;
  }
};

template <bool kFast>
__device__ __forceinline__ void trace_inputs(const Problem& p, const Place& at, const Cursor<float, kFast>& u,
                                             const Weights& weights, const Scalars<float>& x, int tokens,
                                             Stage<kBackwardSteps>& stage, Trace& trace) {
  const int* pixels = stage.pixel + kBackwardSteps * at.part;
  for (int t = 0; t < kBackwardSteps; ++t)
    for (int c = 0; c < 2; ++c) trace.log[t][c] = weights.bias[c];
  project<float, kFast>(p, at, x, weights.dt, stage, trace.log);
#pragma unroll
  for (int t = 0; t < kBackwardSteps; ++t) {
    const float2 in = values_at(u, pixels[t]);
    trace.u[t][0] = in.x;
    trace.u[t][1] = in.y;
    for (int c = 0; c < 2; ++c) {
      const float z = trace.log[t][c];
      trace.log[t][c] = t < tokens ? softplus2<true>(z) : 0.0f;
      trace.slope[t][c] = sigmoid2(z);
      trace.u[t][c] = t < tokens ? trace.u[t][c] : 0.0f;
    }
  }
}

// One state's part of a step: ln 2 B and C of the lane's tokens, decays, inputs. Beyond the route nothing happens.
struct State {
  float b[kBackwardSteps], c[kBackwardSteps];
  float decay[kBackwardSteps][2], input[kBackwardSteps][2];

  __device__ __forceinline__ Run begin(const Trace& trace, const float (&A)[2], const float4* bc, int part,
                                       int tokens) {
    Run run = {{1.0f, 1.0f}, {0.0f, 0.0f}};
#pragma unroll
    for (int t = 0; t < kBackwardSteps; ++t) {
      const float4 two = bc[bank_of(kBackwardSteps / 2 * part + t / 2)];
      b[t] = t >= tokens ? 0.0f : t % 2 ? two.z : two.x;
      c[t] = t >= tokens ? 0.0f : t % 2 ? two.w : two.y;
      for (int i = 0; i < 2; ++i) {
        decay[t][i] = exp2_approx(trace.log[t][i] * A[i]);
        input[t][i] = trace.log[t][i] * trace.u[t][i] * b[t];
        run.state[i] = fmaf(decay[t][i], run.state[i], input[t][i]);
        run.decay[i] *= decay[t][i];
      }
    }
    return run;
  }
};

// First sweep over a route: the states with which each step of the block starts.
template <bool kFast>
__device__ __forceinline__ void trace_starts(const Backward& g, const Place& at, const Cursor<float, kFast>& u,
                                             const Weights& weights, const Scalars<float>& x, const Exchange& exchange,
                                             int k, float2* starts, Stage<kBackwardSteps>& stage) {
  const Problem& p = g.scan;
  int parity = 0;
  for (int step = 0; step + 1 < g.steps;
       ++step) {  // all warps are active but in the last step, and its end is not needed
    const Spot spot(p, at, step);
    Trace trace;
    stage_spots(p, at, route_of(p, k), spot.first, stage);
    trace_inputs<kFast>(p, at, u, weights, x, spot.tokens, stage, trace);
    for (int n = 0; n < p.states; ++n, parity ^= 1) {
      __syncwarp();  // the last state's B and C have been read
      stage_bc<float, kFast>(p, at, x, n, stage);
      __syncwarp();
      State state;
      const float A[2] = {__ldg(weights.decay[0] + n), __ldg(weights.decay[1] + n)};
      Run run = state.begin(trace, A, stage.bc, at.part, spot.tokens);
      scan_quad<false>(at.part, run);
      if (at.part == 3) exchange.put(at, parity, run);
      __syncthreads();
      if (at.warp == 0 && at.part == 0) {
        float h[2] = {0.0f, 0.0f};
        const int64_t index = static_cast<int64_t>(n) * kQuads + at.quad,
                      stride = static_cast<int64_t>(p.states) * kQuads;
        if (step) {
          const float2 start = starts[step * stride + index];
          h[0] = start.x;
          h[1] = start.y;
        }
        exchange.fold(at, parity, 0, p.warps, 1, h);
        starts[(step + 1) * stride + index] = make_float2(h[0], h[1]);
      }
    }
  }
}

// Sums eight values over the eight lanes with the same part; lane `quad` gets the one of that index.
__device__ __forceinline__ float sum_quads(int lane, float (&values)[8]) {
#pragma unroll
  for (int half = 4; half; half /= 2) {
    const bool upper = lane & (4 * half);
#pragma unroll
    for (int i = 0; i < half; ++i) {
      const float send = upper ? values[i] : values[i + half], keep = upper ? values[i + half] : values[i];
      values[i] = keep + __shfl_xor_sync(kAllLanes, send, 4 * half);
    }
  }
  return values[0];
}
static_assert(2 * kBackwardSteps == kQuads, "B and C of a lane's tokens, one for each quad");

// Adds a lane's share to its warp's sums in shared memory, where row n holds A's and row N holds D's.
__device__ __forceinline__ void add_sum(const Place& at, float2* sums, float (&share)[2]) {
#pragma unroll
  for (int by = 1; by < 4; by *= 2)
    for (int c = 0; c < 2; ++c) share[c] += __shfl_xor_sync(kAllLanes, share[c], by);
  if (at.part == 0) *sums = make_float2(sums->x + share[0], sums->y + share[1]);
}

// One state of a step on the way back. h: the state before the lane's tokens, carry: a gh of the one after them.
__device__ __forceinline__ void reverse_tokens(const Place& at, const State& state, const float (&A)[2], float (&h)[2],
                                               float (&carry)[2], Trace& trace, float2* sums, float& bc) {
  float before[kBackwardSteps][2], bc_sums[kQuads] = {}, a_sum[2] = {0.0f, 0.0f};
#pragma unroll
  for (int t = 0; t < kBackwardSteps; ++t) {
    for (int c = 0; c < 2; ++c) {
      before[t][c] = h[c];
      h[c] = fmaf(state.decay[t][c], h[c], state.input[t][c]);
      bc_sums[2 * t + 1] += trace.gy[t][c] * h[c];
    }
  }
#pragma unroll
  for (int t = kBackwardSteps - 1; t >= 0; --t) {
    for (int c = 0; c < 2; ++c) {
      const float gh = fmaf(trace.gy[t][c], state.c[t], carry[c]);
      bc_sums[2 * t] += gh * (trace.log[t][c] * trace.u[t][c]) * kLn2;
      trace.g_drive[t][c] += gh * state.b[t];
      carry[c] = gh * state.decay[t][c];
      const float g_decay = carry[c] * before[t][c];  // of delta A
      trace.g_exponent[t][c] += g_decay * A[c];
      a_sum[c] += g_decay * trace.log[t][c] * kLn2;
    }
  }
  bc = sum_quads(at.lane, bc_sums);
  add_sum(at, sums, a_sum);
}

}  // namespace ss2d

#endif
