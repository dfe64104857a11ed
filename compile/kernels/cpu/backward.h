// The backward pass: for each image and route, every block of channels forward with a trace and back again, then the
// gradients that sum over channels.
//
//   gh_s = gy_s C_s + a_(s+1) gh_(s+1)       a = exp(delta A), gh = dLoss/dh
//   d(delta A) = gh_s a_s h_(s-1)            d(delta u) = gh_s B_s           dz = d(delta) sigmoid(z)
#ifndef VMAMBA_CPU_BACKWARD_H
#define VMAMBA_CPU_BACKWARD_H

#include "forward.h"

namespace {

// A slot's workspace: gradients of the weights, then what one route of one image needs.
struct Trace {
  float *weights;  // packed_size
  float *h, *decay;  // (L+1,N,lanes) with h = 0 first, (L,N,lanes): one block at a time
  float *delta, *sigmoid;  // (L,lanes)
  float *bc;  // (L,2N,lanes): dB and dC, still to be summed over the lanes
  float *dz;  // (L,blocks,lanes)
  float *carry;  // (N,lanes): a_(s+1) gh_(s+1)

  Trace(float* workspace, const ss2d::Layout& layout) {
    const int64_t map = layout.length * kLanes, maps = map * layout.states;
    weights = workspace;
    h = weights + layout.packed_size();
    decay = h + maps + layout.states * kLanes;
    delta = decay + maps;
    sigmoid = delta + map;
    bc = sigmoid + map;
    dz = bc + 2 * maps;
    carry = dz + map * layout.blocks;
  }
};

// kSteps forward steps from step s on, as scan_steps in forward.h, which keeps no trace.
template <int kSteps, bool kWhole>
SS2D_INLINE void trace_steps(const Channels<kWhole, const float>& u, const Scalars& x, const float* weights,
                             const ss2d::Layout& layout, int64_t s, Route& route, const Trace& trace) {
  const float* at[kSteps];
  Vec delta[kSteps], drive[kSteps], in[kSteps];
  for (int t = 0; t < kSteps; ++t) {
    const int64_t pixel = route.next();
    at[t] = x.data + pixel * x.pixel_stride;
    in[t] = u.at(pixel);
  }
  project<kSteps>(weights, layout, at, x.stride, delta);
  for (int t = 0; t < kSteps; ++t) {
    const Vec z = delta[t], e = exp_minus_abs(z);
    delta[t] = softplus(z, e);
    drive[t] = delta[t] * in[t];
    store(trace.delta + (s + t) * kLanes, delta[t]);
    store(trace.sigmoid + (s + t) * kLanes, (z < Vec{} ? e : splat(1.0f)) / (e + 1.0f));
  }
  const int64_t states = layout.states, b = layout.rank * x.stride;
  for (int64_t n = 0; n < states; ++n) {
    const Vec a = load(weights + (layout.a_row() + n) * kLanes);
    Vec state = load(trace.h + (s * states + n) * kLanes);
    for (int t = 0; t < kSteps; ++t) {
      const Vec decay = exp2(delta[t] * a);
      state = decay * state + drive[t] * at[t][b + n * x.stride];
      store(trace.decay + ((s + t) * states + n) * kLanes, decay);
      store(trace.h + ((s + t + 1) * states + n) * kLanes, state);
    }
  }
}

template <bool kWhole>
struct Maps {
  Channels<kWhole, const float> u, dy;
  Channels<kWhole, float> du;
};

// Back along the route: du, dz, the lanes of dB and dC, and the block's gradients of A, D and dt_bias.
template <bool kWhole, bool kOneState>
SS2D_INLINE void reverse_block(const Maps<kWhole>& maps, const Scalars& x, const float* weights,
                               const ss2d::Layout& layout, int64_t k, int64_t block, Route route, const Trace& trace) {
  float* grads = trace.weights + (k * layout.blocks + block) * layout.block_size();
  const int64_t states = kOneState ? 1 : layout.states, b = layout.rank * x.stride, c = b + states * x.stride;
  const Vec skip = load(weights + layout.d_row() * kLanes);
  float* grad_a = grads + layout.a_row() * kLanes;
  MemoryVec one_carry = {}, one_grad_a = load(grad_a);
  MemoryVec* carry = kOneState ? &one_carry : reinterpret_cast<MemoryVec*>(trace.carry);
  MemoryVec* sums = kOneState ? &one_grad_a : reinterpret_cast<MemoryVec*>(grad_a);
  if (!kOneState) __builtin_memset(carry, 0, states * sizeof(Vec));
  Vec bias = load(grads + layout.bias_row() * kLanes), straight = load(grads + layout.d_row() * kLanes);
  for (int64_t s = layout.length - 1; s >= 0; --s) {
    const int64_t pixel = route.next();
    const float* at = x.data + pixel * x.pixel_stride;
    const Vec dy = maps.dy.at(pixel), in = maps.u.at(pixel), delta = load(trace.delta + s * kLanes);
    const Vec drive = delta * in;
    Vec grad_drive = {}, grad_exponent = {};
    for (int64_t n = 0; n < states; ++n) {
      const float *before = trace.h + (s * states + n) * kLanes, *after = before + states * kLanes;
      const Vec gh = carry[n] + dy * at[c + n * x.stride];
      float* grad_b = trace.bc + (s * 2 * states + n) * kLanes;
      float* grad_c = grad_b + states * kLanes;
      store(grad_b, gh * drive + (block ? load(grad_b) : Vec{}));
      store(grad_c, dy * load(after) + (block ? load(grad_c) : Vec{}));
      grad_drive += gh * at[b + n * x.stride];
      const Vec back = gh * load(trace.decay + (s * states + n) * kLanes), grad = back * load(before);
      grad_exponent += grad * load(weights + (layout.a_row() + n) * kLanes);
      sums[n] += grad * delta;
      carry[n] = back;
    }
    const Vec grad_delta = grad_drive * in + grad_exponent * kLn2;  // A is packed with a factor log2(e)
    const Vec dz = grad_delta * load(trace.sigmoid + s * kLanes);
    maps.du.put(pixel, grad_drive * delta + (k ? maps.du.at(pixel) : skip * dy));
    store(trace.dz + (s * layout.blocks + block) * kLanes, dz);
    bias += dz;
    straight += dy * in;
  }
  if (kOneState) store(grad_a, one_grad_a);
  store(grads + layout.bias_row() * kLanes, bias);
  store(grads + layout.d_row() * kLanes, straight);
}

// The gradient of kRows rows of dt_weight of a block: dz dt, summed over the steps.
template <int kRows>
SS2D_INLINE void weight_rows(const ss2d::Layout& layout, const Scalars& x, int64_t r, Route route, const float* dz,
                             float* grads) {
  Vec sums[kRows];
  for (int j = 0; j < kRows; ++j) sums[j] = load(grads + (r + j) * kLanes);
  for (int64_t s = 0; s < layout.length; ++s) {
    const float* at = x.data + route.next() * x.pixel_stride + r * x.stride;
    const Vec v = load(dz + s * layout.blocks * kLanes);
    for (int j = 0; j < kRows; ++j) sums[j] += v * at[j * x.stride];
  }
  for (int j = 0; j < kRows; ++j) store(grads + (r + j) * kLanes, sums[j]);
}

inline void weight_gradients(const ss2d::Layout& layout, const Scalars& x, const Route& route, const float* dz,
                             float* grads) {
  int64_t r = 0;
  for (; r + 8 <= layout.rank; r += 8) weight_rows<8>(layout, x, r, route, dz, grads);
  for (; r + 4 <= layout.rank; r += 4) weight_rows<4>(layout, x, r, route, dz, grads);
  for (; r + 2 <= layout.rank; r += 2) weight_rows<2>(layout, x, r, route, dz, grads);
  for (; r < layout.rank; ++r) weight_rows<1>(layout, x, r, route, dz, grads);
}

// The gradient of kRows values of dt at kSteps pixels: dt_weight dz, summed over the channels.
template <int kSteps, int kRows>
SS2D_INLINE void dt_values(const ss2d::Layout& layout, const float* weights, int64_t r, const float* dz,
                           float* const* dt, int64_t stride) {
  Vec sums[kSteps][kRows] = {};
  for (int64_t block = 0; block < layout.blocks; ++block) {
    const float* row = weights + block * layout.block_size() + r * kLanes;
    for (int t = 0; t < kSteps; ++t) {
      const Vec v = load(dz + (t * layout.blocks + block) * kLanes);
      for (int j = 0; j < kRows; ++j) sums[t][j] += v * load(row + j * kLanes);
    }
  }
  for (int t = 0; t < kSteps; ++t)
    for (int j = 0; j < kRows; ++j) dt[t][(r + j) * stride] = sum(sums[t][j]);
}

// The gradient of one route's part of x_dbl at kSteps pixels.
template <int kSteps>
SS2D_INLINE void scalar_steps(const ss2d::Layout& layout, const float* weights, int64_t s, Route& route,
                              const Trace& trace, float* dx, const ss2d_strides& strides) {
  constexpr int kRows = kRegisters / 8;  // kSteps * kRows sums in half of the registers
  float* at[kSteps];
  for (int t = 0; t < kSteps; ++t) at[t] = dx + route.next() * strides.pixel;
  const float* dz = trace.dz + s * layout.blocks * kLanes;
  int64_t r = 0;
  for (; r + kRows <= layout.rank; r += kRows)
    dt_values<kSteps, kRows>(layout, weights, r, dz, at, strides.channel);
  for (; r < layout.rank; ++r) dt_values<kSteps, 1>(layout, weights, r, dz, at, strides.channel);
  const int64_t values = 2 * layout.states;
  for (int t = 0; t < kSteps; ++t)
    for (int64_t n = 0; n < values; ++n)
      at[t][(layout.rank + n) * strides.channel] = sum(load(trace.bc + ((s + t) * values + n) * kLanes));
}

template <bool kWhole>
void backward_block(const ss2d_params& p, const float* packed, const ss2d_gradients& g, const Trace& trace,
                    int64_t image, int64_t k, int64_t block) {
  const ss2d::Layout layout = layout_of(p);
  const Scalars x = scalars_of(p, layout, image, k);
  const float* weights = packed + (k * layout.blocks + block) * layout.block_size();
  const Maps<kWhole> maps = {
      channels_of<kWhole>(static_cast<const float*>(p.u), p.u_strides, image, block, p.d_inner),
      channels_of<kWhole>(g.y, g.y_strides, image, block, p.d_inner),
      channels_of<kWhole>(g.u, g.u_strides, image, block, p.d_inner)};
  const Route route(p.routes[k], p.height, p.width), reversed(p.routes[k] ^ 2, p.height, p.width);
  Route forward = route;
  __builtin_memset(trace.h, 0, layout.states * sizeof(Vec));
  int64_t s = 0;
  for (; s + kTile <= layout.length; s += kTile)
    trace_steps<kTile, kWhole>(maps.u, x, weights, layout, s, forward, trace);
  for (; s < layout.length; ++s) trace_steps<1, kWhole>(maps.u, x, weights, layout, s, forward, trace);
  const auto reverse = layout.states == 1 ? reverse_block<kWhole, true> : reverse_block<kWhole, false>;
  reverse(maps, x, weights, layout, k, block, reversed, trace);
  weight_gradients(layout, x, route, trace.dz + block * kLanes,
                   trace.weights + (k * layout.blocks + block) * layout.block_size());
}

void backward(const ss2d_params& p, const float* packed, const ss2d_gradients& g, float* workspace, int64_t slot,
              int64_t slots) {
  const ss2d::Layout layout = layout_of(p);
  const Trace trace(workspace + slot * layout.slot_size(), layout);
  __builtin_memset(trace.weights, 0, layout.packed_size() * sizeof(float));
  const bool neighbours = p.u_strides.channel == 1 && g.y_strides.channel == 1 && g.u_strides.channel == 1;
  for (int64_t image = p.batch * slot / slots; image < p.batch * (slot + 1) / slots; ++image) {
    for (int64_t k = 0; k < layout.routes; ++k) {
      for (int64_t block = 0; block < layout.blocks; ++block) {
        const auto run = neighbours && is_whole(p, block) ? backward_block<true> : backward_block<false>;
        run(p, packed, g, trace, image, k, block);
      }
      Route route(p.routes[k], p.height, p.width);
      const int64_t first = k * (layout.rank + 2 * layout.states);
      float* dx = g.x_dbl + image * g.x_dbl_strides.batch + first * g.x_dbl_strides.channel;
      const float* weights = packed + k * layout.blocks * layout.block_size();
      int64_t s = 0;
      for (; s + 4 <= layout.length; s += 4) scalar_steps<4>(layout, weights, s, route, trace, dx, g.x_dbl_strides);
      for (; s < layout.length; ++s) scalar_steps<1>(layout, weights, s, route, trace, dx, g.x_dbl_strides);
    }
  }
}

}  // namespace

#endif
