// One block of channels over one span of a route's steps: forward (delta), forward again (states and decays), and back.
#ifndef VMAMBA_CPU_SPAN_H
#define VMAMBA_CPU_SPAN_H

#include "forward.h"
#include "lanes.h"

namespace {

using ss2d::kSpan;

// A slot's workspace. W: see Deal; blocks are counted from the part's first one, but for the weights.
struct Slot {
  float *weights;  // (K,W): blocks of gradients, packed as the weights are
  float *delta;  // (spans,W,kSpan,lanes)
  float *state;  // (spans,W,N,lanes): h before each span
  float *carry;  // (W,N,lanes): a_(s+1) gh_(s+1)
  float *h, *decay;  // (kSpan+1,N,lanes), (kSpan,N,lanes): of one block
  float *sigmoid;  // (kSpan,lanes)
  float *dz;  // (kSpan,W,lanes)
  float *bc;  // (kSpan,2N,lanes): dB and dC, still to be summed over the lanes
  float *x;  // (kSpan,R+2N): the route's scalars, then their gradients
  float *shared;  // (L,K,R+2N): the gradient of x_dbl of an image that another slot began
  int64_t width;  // W

  Slot(float* workspace, const ss2d::Deal& deal, int64_t number) : width(deal.width) {
    const int64_t map = kSpan * kLanes, states = deal.layout.states * kLanes;
    weights = workspace + number * deal.slot_size();
    delta = weights + deal.weights_size();
    state = delta + deal.delta_size();
    carry = state + deal.layout.spans() * width * states;
    h = carry + width * states;
    decay = h + (kSpan + 1) * states;
    sigmoid = decay + kSpan * states;
    dz = sigmoid + map;
    bc = dz + width * map;
    x = bc + 2 * kSpan * states;
    shared = x + kSpan * deal.layout.values();
  }
};

// Up to kSpan steps of a route; `route` goes the other way if it comes back.
struct Span {
  int64_t number, steps;
  int64_t pixels[kSpan];

  Span(const ss2d::Layout& layout, int64_t n, Route& route, bool back) : number(n) {
    const int64_t left = layout.length - n * kSpan;
    steps = left < kSpan ? left : kSpan;
    for (int64_t t = 0; t < steps; ++t) pixels[back ? steps - 1 - t : t] = route.next();
  }
};

template <bool kWhole>
struct Maps {
  Channels<kWhole, const float> u, dy;
  Channels<kWhole, float> du;
};

// One block of one route. Passed as a copy: the compiler then knows that no store changes it.
struct Block {
  ss2d::Layout layout;
  Slot slot;
  const float* weights;
  float *grads, *delta, *state, *carry;  // its part of the slot's
  int64_t k, index;  // of the part's blocks
};

// delta of kSteps steps, and the state after them if anything comes after.
template <int kSteps, bool kWhole, bool kOneState>
SS2D_INLINE void enter_steps(const Channels<kWhole, const float>& u, const Block& b, const Span& span, int64_t s,
                             MemoryVec* h, bool last) {
  const float* at[kSteps];
  Vec delta[kSteps], drive[kSteps];
  for (int t = 0; t < kSteps; ++t) at[t] = b.slot.x + (s + t) * b.layout.values();
  project<kSteps>(b.weights, b.layout, at, 1, delta);
  for (int t = 0; t < kSteps; ++t) {
    delta[t] = softplus(delta[t], exp_minus_abs(delta[t]));
    store(b.delta + (s + t) * kLanes, delta[t]);
  }
  if (last) return;
  for (int t = 0; t < kSteps; ++t) drive[t] = delta[t] * u.at(span.pixels[s + t]);
  const int64_t states = kOneState ? 1 : b.layout.states;
  for (int64_t n = 0; n < states; ++n) {
    const Vec a = load(b.weights + (b.layout.a_row() + n) * kLanes);
    Vec state = h[n];
    for (int t = 0; t < kSteps; ++t) state = exp2(delta[t] * a) * state + drive[t] * at[t][b.layout.rank + n];
    h[n] = state;
  }
}

template <bool kWhole, bool kOneState>
void enter_span(Channels<kWhole, const float> u, Block b, const Span& span) {
  const int64_t size = (kOneState ? 1 : b.layout.states) * kLanes;
  const bool last = span.number + 1 == b.layout.spans();
  MemoryVec one;
  MemoryVec* h = kOneState ? &one : reinterpret_cast<MemoryVec*>(b.slot.h);
  __builtin_memcpy(h, b.state, size * sizeof(float));
  int64_t s = 0;
  for (; s + kTile <= span.steps; s += kTile) enter_steps<kTile, kWhole, kOneState>(u, b, span, s, h, last);
  for (; s < span.steps; ++s) enter_steps<1, kWhole, kOneState>(u, b, span, s, h, last);
  if (!last) __builtin_memcpy(b.state + b.slot.width * size, h, size * sizeof(float));
}

// States, decays and sigmoids of kSteps steps, from delta.
template <int kSteps, bool kWhole, bool kOneState>
SS2D_INLINE void replay_steps(const Channels<kWhole, const float>& u, const Block& b, const Span& span, int64_t s) {
  const int64_t states = kOneState ? 1 : b.layout.states;
  Vec delta[kSteps], drive[kSteps];
  for (int t = 0; t < kSteps; ++t) {
    delta[t] = load(b.delta + (s + t) * kLanes);
    drive[t] = delta[t] * u.at(span.pixels[s + t]);
    store(b.slot.sigmoid + (s + t) * kLanes, one_minus_exp_minus(delta[t]));
  }
  for (int64_t n = 0; n < states; ++n) {
    const Vec a = load(b.weights + (b.layout.a_row() + n) * kLanes);
    Vec state = load(b.slot.h + (s * states + n) * kLanes);
    for (int t = 0; t < kSteps; ++t) {
      const Vec decay = exp2(delta[t] * a);
      state = decay * state + drive[t] * b.slot.x[(s + t) * b.layout.values() + b.layout.rank + n];
      store(b.slot.decay + ((s + t) * states + n) * kLanes, decay);
      store(b.slot.h + ((s + t + 1) * states + n) * kLanes, state);
    }
  }
}

// Back along a span: du, dz, the lanes of dB and dC, and the block's gradients of A, D and dt_bias.
template <bool kWhole, bool kOneState>
SS2D_INLINE void reverse_steps(const Maps<kWhole>& maps, const Block& b, const Span& span) {
  const ss2d::Layout& layout = b.layout;
  const int64_t states = kOneState ? 1 : layout.states;
  const Vec skip = load(b.weights + layout.d_row() * kLanes);
  float* grad_a = b.grads + layout.a_row() * kLanes;
  MemoryVec one_carry = load(b.carry), one_grad_a = load(grad_a);
  MemoryVec* carry = kOneState ? &one_carry : reinterpret_cast<MemoryVec*>(b.carry);
  MemoryVec* sums = kOneState ? &one_grad_a : reinterpret_cast<MemoryVec*>(grad_a);
  Vec bias = load(b.grads + layout.bias_row() * kLanes), straight = load(b.grads + layout.d_row() * kLanes);
  for (int64_t s = span.steps - 1; s >= 0; --s) {
    const int64_t pixel = span.pixels[s];
    const float* at = b.slot.x + s * layout.values() + layout.rank;
    const Vec dy = maps.dy.at(pixel), in = maps.u.at(pixel), delta = load(b.delta + s * kLanes);
    const Vec drive = delta * in;
    Vec grad_drive = {}, grad_exponent = {};
    for (int64_t n = 0; n < states; ++n) {
      const float *before = b.slot.h + (s * states + n) * kLanes, *after = before + states * kLanes;
      const Vec gh = carry[n] + dy * at[states + n];
      float* grad_b = b.slot.bc + (s * 2 * states + n) * kLanes;
      float* grad_c = grad_b + states * kLanes;
      store(grad_b, gh * drive + (b.index ? load(grad_b) : Vec{}));
      store(grad_c, dy * load(after) + (b.index ? load(grad_c) : Vec{}));
      grad_drive += gh * at[n];
      const Vec back = gh * load(b.slot.decay + (s * states + n) * kLanes), grad = back * load(before);
      grad_exponent += grad * load(b.weights + (layout.a_row() + n) * kLanes);
      sums[n] += grad * delta;
      carry[n] = back;
    }
    const Vec grad_delta = grad_drive * in + grad_exponent * kLn2;  // A is packed with a factor log2(e)
    const Vec dz = grad_delta * load(b.slot.sigmoid + s * kLanes);
    maps.du.put(pixel, grad_drive * delta + (b.k ? maps.du.at(pixel) : skip * dy));
    store(b.slot.dz + (s * b.slot.width + b.index) * kLanes, dz);
    bias += dz;
    straight += dy * in;
  }
  if (kOneState) {
    store(grad_a, one_grad_a);
    store(b.carry, one_carry);
  }
  store(b.grads + layout.bias_row() * kLanes, bias);
  store(b.grads + layout.d_row() * kLanes, straight);
}

// The gradient of kRows rows of dt_weight of a block: dz dt, summed over the steps.
template <int kRows>
SS2D_INLINE void weight_rows(const Block& b, const Span& span, int64_t r) {
  const float* dz = b.slot.dz + b.index * kLanes;
  float* grads = b.grads + r * kLanes;
  Vec sums[kRows];
  for (int j = 0; j < kRows; ++j) sums[j] = load(grads + j * kLanes);
  for (int64_t s = 0; s < span.steps; ++s) {
    const float* at = b.slot.x + s * b.layout.values() + r;
    const Vec v = load(dz + s * b.slot.width * kLanes);
    for (int j = 0; j < kRows; ++j) sums[j] += v * at[j];
  }
  for (int j = 0; j < kRows; ++j) store(grads + j * kLanes, sums[j]);
}

template <bool kWhole, bool kOneState>
void reverse_span(Maps<kWhole> maps, Block b, const Span& span) {
  const int64_t states = kOneState ? 1 : b.layout.states, rank = b.layout.rank;
  __builtin_memcpy(b.slot.h, b.state, states * kLanes * sizeof(float));
  int64_t s = 0, r = 0;
  for (; s + kTile <= span.steps; s += kTile) replay_steps<kTile, kWhole, kOneState>(maps.u, b, span, s);
  for (; s < span.steps; ++s) replay_steps<1, kWhole, kOneState>(maps.u, b, span, s);
  reverse_steps<kWhole, kOneState>(maps, b, span);
  for (; r + 8 <= rank; r += 8) weight_rows<8>(b, span, r);
  for (; r + 4 <= rank; r += 4) weight_rows<4>(b, span, r);
  for (; r + 2 <= rank; r += 2) weight_rows<2>(b, span, r);
  for (; r < rank; ++r) weight_rows<1>(b, span, r);
}

}  // namespace

#endif
