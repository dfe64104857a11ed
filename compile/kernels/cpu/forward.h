// The forward pass: a block of channels of one image through all routes; the state stays in a register if there is one.
#ifndef VMAMBA_CPU_FORWARD_H
#define VMAMBA_CPU_FORWARD_H

#include "route.h"

namespace {

constexpr int kTile = 8;  // steps that share a load of the dt weights, and whose exponentials overlap

// One route's scalars at the pixels: x[0..R) dt, then B, then C.
struct Scalars {
  const float* data;
  int64_t pixel_stride, stride;
};

SS2D_INLINE Scalars scalars_of(const ss2d_params& p, const ss2d::Layout& layout, int64_t image, int64_t k) {
  const ss2d_strides& s = p.x_dbl_strides;
  const int64_t first = k * (layout.rank + 2 * layout.states);
  return {static_cast<const float*>(p.x_dbl) + image * s.batch + first * s.channel, s.pixel, s.channel};
}

// z = dt_weight dt + dt_bias for kSteps pixels.
template <int kSteps>
SS2D_INLINE void project(const float* weights, const ss2d::Layout& layout, const float* const* x, int64_t stride,
                         Vec* z) {
  const Vec bias = load(weights + layout.bias_row() * kLanes);
  for (int t = 0; t < kSteps; ++t) z[t] = bias;
  for (int64_t r = 0; r < layout.rank; ++r) {
    const Vec w = load(weights + r * kLanes);
    for (int t = 0; t < kSteps; ++t) z[t] += w * x[t][r * stride];
  }
}

// kSteps steps of one route. kOneState: N = 1, `h` is a register; else memory of N vectors.
template <int kSteps, bool kWhole, bool kOneState>
SS2D_INLINE void scan_steps(const Channels<kWhole, const float>& u, const Channels<kWhole, float>& y, const Scalars& x,
                            const float* weights, const ss2d::Layout& layout, bool first, Route& route, MemoryVec* h) {
  int64_t pixel[kSteps];
  const float* at[kSteps];
  for (int t = 0; t < kSteps; ++t) {
    pixel[t] = route.next();
    at[t] = x.data + pixel[t] * x.pixel_stride;
  }
  Vec delta[kSteps], drive[kSteps], out[kSteps];
  project<kSteps>(weights, layout, at, x.stride, delta);
  for (int t = 0; t < kSteps; ++t) {
    const Vec in = u.at(pixel[t]);
    delta[t] = softplus(delta[t], exp_minus_abs(delta[t]));
    drive[t] = delta[t] * in;
    out[t] = first ? load(weights + layout.d_row() * kLanes) * in : y.at(pixel[t]);
  }
  const int64_t states = kOneState ? 1 : layout.states, b = layout.rank * x.stride, c = b + states * x.stride;
  for (int64_t n = 0; n < states; ++n) {
    const Vec a = load(weights + (layout.a_row() + n) * kLanes);
    Vec state = h[n];
    for (int t = 0; t < kSteps; ++t) {
      state = exp2(delta[t] * a) * state + drive[t] * at[t][b + n * x.stride];
      out[t] += state * at[t][c + n * x.stride];
    }
    h[n] = state;
  }
  for (int t = 0; t < kSteps; ++t) y.put(pixel[t], out[t]);
}

template <bool kWhole, bool kOneState>
void scan_block(const ss2d_params& p, const float* packed, float* workspace, int64_t image, int64_t block) {
  const ss2d::Layout layout = layout_of(p);
  const auto u = channels_of<kWhole>(static_cast<const float*>(p.u), p.u_strides, image, block, p.d_inner);
  const auto y = channels_of<kWhole>(static_cast<float*>(p.y), p.y_strides, image, block, p.d_inner);
  for (int64_t k = 0; k < layout.routes; ++k) {
    const Scalars x = scalars_of(p, layout, image, k);
    const float* weights = packed + (k * layout.blocks + block) * layout.block_size();
    Route route(p.routes[k], p.height, p.width);
    MemoryVec register_state = {};
    MemoryVec* h = kOneState ? &register_state : reinterpret_cast<MemoryVec*>(workspace);
    if (!kOneState) __builtin_memset(h, 0, layout.state_size() * sizeof(float));
    int64_t s = 0;
    for (; s + kTile <= layout.length; s += kTile)
      scan_steps<kTile, kWhole, kOneState>(u, y, x, weights, layout, k == 0, route, h);
    for (; s < layout.length; ++s) scan_steps<1, kWhole, kOneState>(u, y, x, weights, layout, k == 0, route, h);
  }
}

void forward(const ss2d_params& p, const float* packed, float* workspace, int64_t task) {
  const ss2d::Layout layout = layout_of(p);
  const int64_t image = task / layout.blocks, block = task % layout.blocks;
  const bool whole = is_whole(p, block) && p.u_strides.channel == 1 && p.y_strides.channel == 1;
  const auto scan = whole ? (p.d_state == 1 ? scan_block<true, true> : scan_block<true, false>)
                          : (p.d_state == 1 ? scan_block<false, true> : scan_block<false, false>);
  scan(p, packed, workspace + task * layout.state_size(), image, block);
}

}  // namespace

#endif
