// The recurrence h = a h + b over a block's tokens: a lane's steps, the lanes of a quad, the warps, the block's last
// carry. Pairs (P, h) of consecutive runs compose: (P, h) then (P', h') is (P P', P' h + h').
#ifndef VMAMBA_CUDA_BLOCK_CUH
#define VMAMBA_CUDA_BLOCK_CUH

#include "problem.cuh"

namespace ss2d {

// A run of tokens of a lane's two channels: what it does to a state.
struct Run {
  float decay[2], state[2];
};

// The runs of a quad's lanes in the order of `part` (or against it). Returns what comes before this lane's; `run`
// becomes everything up to it, so the last lane has the warp's.
template <bool kReversed>
__device__ __forceinline__ Run scan_quad(int part, Run& run) {
  const int order = kReversed ? 3 - part : part;
  const auto moved = [&](float x, int by) {
    return kReversed ? __shfl_down_sync(kAllLanes, x, by, 4) : __shfl_up_sync(kAllLanes, x, by, 4);
  };
#pragma unroll
  for (int by = 1; by < 4; by *= 2) {
#pragma unroll
    for (int c = 0; c < 2; ++c) {
      const float decay = moved(run.decay[c], by), state = moved(run.state[c], by);
      run.state[c] = order >= by ? fmaf(run.decay[c], state, run.state[c]) : run.state[c];
      run.decay[c] = order >= by ? run.decay[c] * decay : run.decay[c];
    }
  }
  Run before;
#pragma unroll
  for (int c = 0; c < 2; ++c) {
    const float decay = moved(run.decay[c], 1), state = moved(run.state[c], 1);
    before.decay[c] = order ? decay : 1.0f;
    before.state[c] = order ? state : 0.0f;
  }
  return before;
}

// Where the warps of a block leave their runs for one another. Two of each: the next ones are written while these are
// still read, one barrier apart.
struct Exchange {
  float4* shares;   // (2, groups, warps, quads); the backward pass has another two
  float2* carries;  // (2, states, groups, quads)
  int warps, groups, states;

  __device__ __forceinline__ Exchange(const Problem& p, char* shared)
      : shares(reinterpret_cast<float4*>(shared + p.share_at)),
        carries(reinterpret_cast<float2*>(shared + p.carry_at)),
        warps(p.warps),
        groups(p.groups),
        states(p.states) {}

  __device__ __forceinline__ float4* share(const Place& at, int parity, int warp) const {
    return shares + ((parity * groups + at.group) * warps + warp) * kQuads + at.quad;
  }

  __device__ __forceinline__ float2* carry(const Place& at, int step, int n) const {
    return carries + (((step & 1) * states + n) * groups + at.group) * kQuads + at.quad;
  }

  __device__ __forceinline__ void put(const Place& at, int parity, const Run& run) const {
    *share(at, parity, at.warp) = make_float4(run.decay[0], run.state[0], run.decay[1], run.state[1]);
  }

  // `state` after the runs of warps begin, begin + by, .. before end.
  __device__ __forceinline__ void fold(const Place& at, int parity, int begin, int end, int by,
                                       float (&state)[2]) const {
#pragma unroll 1
    for (int warp = begin; warp != end; warp += by) {
      const float4 run = *share(at, parity, warp);
      state[0] = fmaf(run.x, state[0], run.y);
      state[1] = fmaf(run.z, state[1], run.w);
    }
  }
};

}  // namespace ss2d

#endif
