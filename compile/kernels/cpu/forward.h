// The forward pass: a block of channels of one image through all routes; the state stays in a register if there is one.
#ifndef VMAMBA_CPU_FORWARD_H
#define VMAMBA_CPU_FORWARD_H

#include "route.h"
#include "stage.h"

namespace {

constexpr int kTile = 8;  // steps that share a load of the dt weights, and whose exponentials overlap

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

// Float32 at the pixels of one image, channels side by side: registers of u and y, or all of x_dbl.
template <typename Float>
struct Rows {
  Float* data;
  int64_t stride;
};

// kSteps steps of one route. kOneState: N = 1, `h` is a register; else memory of N vectors.
template <int kSteps, bool kOneState>
SS2D_INLINE void scan_steps(const Rows<const float>& u, const Rows<float>& y, const Rows<const float>& x,
                            const float* weights, const ss2d::Layout& layout, bool first, Route& route, MemoryVec* h) {
  int64_t pixel[kSteps];
  const float* at[kSteps];
  for (int t = 0; t < kSteps; ++t) {
    pixel[t] = route.next();
    at[t] = x.data + pixel[t] * x.stride;
  }
  Vec delta[kSteps], drive[kSteps], out[kSteps];
  project<kSteps>(weights, layout, at, 1, delta);
  for (int t = 0; t < kSteps; ++t) {
    const Vec in = load(u.data + pixel[t] * u.stride);
    delta[t] = softplus(delta[t], exp_minus_abs(delta[t]));
    drive[t] = delta[t] * in;
    out[t] = first ? load(weights + layout.d_row() * kLanes) * in : load(y.data + pixel[t] * y.stride);
  }
  const int64_t states = kOneState ? 1 : layout.states, b = layout.rank, c = b + states;
  for (int64_t n = 0; n < states; ++n) {
    const Vec a = load(weights + (layout.a_row() + n) * kLanes);
    Vec state = h[n];
    for (int t = 0; t < kSteps; ++t) {
      state = exp2(delta[t] * a) * state + drive[t] * at[t][b + n];
      out[t] += state * at[t][c + n];
    }
    h[n] = state;
  }
  for (int t = 0; t < kSteps; ++t) store(y.data + pixel[t] * y.stride, out[t]);
}

template <bool kOneState>
void scan_block(const ss2d_params& p, const float* packed, float* states, int64_t block, const Rows<const float>& u,
                const Rows<float>& y, Rows<const float> x) {
  const ss2d::Layout layout = layout_of(p);
  for (int64_t k = 0; k < layout.routes; ++k, x.data += layout.rank + 2 * layout.states) {
    const float* weights = packed + (k * layout.blocks + block) * layout.block_size();
    Route route(p.routes[k], p.height, p.width);
    MemoryVec register_state = {};
    MemoryVec* h = kOneState ? &register_state : reinterpret_cast<MemoryVec*>(states);
    if (!kOneState) __builtin_memset(h, 0, layout.state_size() * sizeof(float));
    int64_t s = 0;
    for (; s + kTile <= layout.length; s += kTile)
      scan_steps<kTile, kOneState>(u, y, x, weights, layout, k == 0, route, h);
    for (; s < layout.length; ++s) scan_steps<1, kOneState>(u, y, x, weights, layout, k == 0, route, h);
  }
}

// The maps of one block where they lie, or in the share's strips.
void forward_block(const ss2d_params& p, const ss2d::Staging& staging, const float* packed, const float* staged_x,
                   float* share, int64_t image, int64_t block) {
  const ss2d::Layout& layout = staging.layout;
  const int64_t first = block * kLanes, channels = smaller(kLanes, p.d_inner - first);
  const Map u = map_of(p.u, p.u_dtype, p.u_scale, p.u_strides, image, first, channels);
  const Map y = map_of(p.y, p.y_dtype, p.y_scale, p.y_strides, image, first, channels);
  Rows<const float> in = {static_cast<const float*>(u.data), u.pixel_stride};
  Rows<float> out = {static_cast<float*>(y.data), y.pixel_stride};
  Rows<const float> x = {static_cast<const float*>(p.x_dbl) + image * p.x_dbl_strides.batch, p.x_dbl_strides.pixel};
  float* strip = share + layout.state_size();
  if (!is_in_place(u)) {
    gather(u, 0, layout.length, strip, kLanes);
    in = {strip, kLanes};
    strip += staging.strip_size();
  }
  if (!is_in_place(y)) out = {strip, kLanes};
  if (staging.x) x = {staged_x + image * layout.length * staging.x_row(), staging.x_row()};
  (p.d_state == 1 ? scan_block<true> : scan_block<false>)(p, packed, share, block, in, out, x);
  if (!is_in_place(y)) scatter(strip, layout.length, y);
}

void forward(const ss2d_params& p, const float* packed, float* workspace, int64_t share) {
  const ss2d::Staging staging(p, kLanes);
  const int64_t items = staging.items(), shares = staging.shares(), blocks = staging.layout.blocks;
  float* own = workspace + staging.x_size() + share * staging.share_size();
  for (int64_t item = items * share / shares; item < items * (share + 1) / shares; ++item)
    forward_block(p, staging, packed, workspace, own, item / blocks, item % blocks);
}

}  // namespace

#endif
