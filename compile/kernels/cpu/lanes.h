// Sums over the lanes of many vectors at once, and what the backward pass needs beside vector.h.
#ifndef VMAMBA_CPU_LANES_H
#define VMAMBA_CPU_LANES_H

#include <utility>

#include "vector.h"

namespace {

typedef int32_t IndexVec __attribute__((vector_size(4 * kLanes)));

// Lane i of the result is lane kIndex[i] of a and b one behind the other.
template <int... kIndex>
SS2D_INLINE Vec shuffled(Vec a, Vec b) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, kIndex...);
#else
  return __builtin_shuffle(a, b, IndexVec{kIndex...});
#endif
}

// Of lanes in groups of kHalf, the odd groups of b at their place and the even ones of a.
template <int kHalf, size_t... i>
SS2D_INLINE Vec own_groups(Vec a, Vec b, std::index_sequence<i...>) {
  return shuffled<(i & kHalf ? kLanes + i : i)...>(a, b);
}

// Each at the place of its neighbour.
template <int kHalf, size_t... i>
SS2D_INLINE Vec crossed_groups(Vec a, Vec b, std::index_sequence<i...>) {
  return shuffled<(i & kHalf ? kLanes + (i ^ kHalf) : i ^ kHalf)...>(a, b);
}

template <int kHalf>
SS2D_INLINE void add_halves(Vec* v) {
  constexpr auto lanes = std::make_index_sequence<kLanes>();
  for (int i = 0; i < kHalf; ++i)
    v[i] = own_groups<kHalf>(v[i], v[i + kHalf], lanes) + crossed_groups<kHalf>(v[i], v[i + kHalf], lanes);
  if constexpr (kHalf > 1) add_halves<kHalf / 2>(v);
}

// Lane i: the sum of v[i]. v: kLanes vectors.
SS2D_INLINE Vec lane_sums(const Vec* v) {
  Vec halves[kLanes];
  for (int i = 0; i < kLanes; ++i) halves[i] = v[i];
  add_halves<kLanes / 2>(halves);
  return halves[0];
}

// The even groups of a and b, alternating; the odd ones.
template <int kHalf, size_t... i>
SS2D_INLINE Vec low_groups(Vec a, Vec b, std::index_sequence<i...>) {
  return shuffled<(i & kHalf ? kLanes + (i ^ kHalf) : i)...>(a, b);
}

template <int kHalf, size_t... i>
SS2D_INLINE Vec high_groups(Vec a, Vec b, std::index_sequence<i...>) {
  return shuffled<(i & kHalf ? kLanes + i : i ^ kHalf)...>(a, b);
}

template <int kHalf>
SS2D_INLINE void cross_halves(Vec* v) {
  constexpr auto lanes = std::make_index_sequence<kLanes>();
  for (int i = 0; i < kLanes; ++i) {
    if (i & kHalf) continue;
    const Vec a = v[i], b = v[i + kHalf];
    v[i] = low_groups<kHalf>(a, b, lanes);
    v[i + kHalf] = high_groups<kHalf>(a, b, lanes);
  }
  if constexpr (kHalf > 1) cross_halves<kHalf / 2>(v);
}

// Lane j of v[i] and lane i of v[j] change places. v: kLanes vectors.
SS2D_INLINE void transpose(Vec* v) { cross_halves<kLanes / 2>(v); }

// 1 - e^-x for x >= 0, to full relative precision: the sigmoid of z for x = softplus(z).
SS2D_INLINE Vec one_minus_exp_minus(Vec x) {
  x = normal_exponent(x * -kLog2E);
  const Vec whole = x + kRoundToInt, part = x - (whole - kRoundToInt);
  Vec p = splat(1.326472731e-3f);
  p = p * part + 9.671512991e-3f;
  p = p * part + 5.550733581e-2f;
  p = p * part + 2.402224243e-1f;
  p = p * part + 6.931470037e-1f;
  const Vec power = (Vec)((BitsVec)splat(1.0f) + ((BitsVec)whole << 23));
  return (1.0f - power) - power * part * p;
}

}  // namespace

#endif
