// What a translation unit compiled for one ISA gives to the dispatcher, and how the memory that passes between calls
// is laid out.
#ifndef VMAMBA_CPU_KERNEL_H
#define VMAMBA_CPU_KERNEL_H

#include "../selective_scan.h"

namespace ss2d {

struct Kernel {
  int64_t lanes;  // channels a block
  void (*pack)(const ss2d_params&, float* packed);
  void (*stage)(const ss2d_params&, float* workspace, int64_t task);
  void (*forward)(const ss2d_params&, const float* packed, float* workspace, int64_t share);
  void (*backward)(const ss2d_params&, const float* packed, const ss2d_gradients&, float* workspace, int64_t slot,
                   int64_t slots);
  void (*reduce)(const ss2d_params&, const ss2d_gradients&, float* workspace, int64_t slots, int64_t task);
};

extern const Kernel kKernelV2, kKernelV3, kKernelV4, kKernelNeon;

// From here on everything has internal linkage: see vector.h.
namespace {

constexpr int64_t kSpan = 64;  // steps that the backward pass goes back at a time: their states stay in the first cache

// All sizes in floats.
struct Layout {
  int64_t length, blocks, lanes, states, rank, routes;

  Layout() = default;
  Layout(const ss2d_params& p, int64_t lanes_of_isa)
      : length(int64_t{p.height} * p.width),
        blocks((int64_t{p.d_inner} + lanes_of_isa - 1) / lanes_of_isa),
        lanes(lanes_of_isa),
        states(p.d_state),
        rank(p.dt_rank),
        routes(p.routes_n) {}

  // Packed weights and their gradients: routes x blocks x [R rows of dt_weight | dt_bias | N rows of A | D] x lanes.
  int64_t bias_row() const { return rank; }
  int64_t a_row() const { return rank + 1; }
  int64_t d_row() const { return rank + 1 + states; }
  int64_t block_size() const { return (rank + states + 2) * lanes; }
  int64_t packed_size() const { return routes * blocks * block_size(); }

  // The states of a block, unless one register holds them.
  int64_t state_size() const { return states > 1 ? states * lanes : 0; }

  // Backward: see Slot in span.h.
  int64_t values() const { return rank + 2 * states; }
  int64_t spans() const { return (length + kSpan - 1) / kSpan; }
};

// How the blocks of all images are dealt to the slots of a backward pass, and what one slot needs.
struct Deal {
  Layout layout;
  int64_t slots, items, width;  // (image, block) pairs, images first; blocks of one image that a slot can have

  Deal(const Layout& sizes, int64_t batch, int64_t slots_wanted) : layout(sizes), items(batch * sizes.blocks) {
    slots = slots_wanted < items ? slots_wanted : items > 0 ? items : 1;
    const int64_t most = (items + slots - 1) / slots;
    width = most < layout.blocks && items > 0 ? most : layout.blocks;
  }

  // A slot's first item; the last slot ends where one more would start.
  int64_t first(int64_t slot) const {
    const int64_t size = items / slots, left = items % slots;
    return size * slot + (slot < left ? slot : left);
  }
  // Where a slot keeps a block's gradients, or -1.
  int64_t place(int64_t slot, int64_t block) const {
    const int64_t at = (block - first(slot) % layout.blocks + layout.blocks) % layout.blocks;
    return first(slot) + at < first(slot + 1) ? at : -1;
  }
  // Whether slots end within an image: then all but its first keep a gradient of x_dbl of their own.
  bool splits_images() const { return layout.blocks > 1 && items / layout.blocks % slots != 0; }

  int64_t weights_size() const { return layout.routes * width * layout.block_size(); }
  int64_t delta_size() const { return layout.spans() * width * kSpan * layout.lanes; }
  int64_t states_size() const { return (layout.spans() + 1) * width * layout.states * layout.lanes; }
  int64_t span_size() const {
    const int64_t vectors = kSpan * (1 + 4 * layout.states + width) + layout.states;
    return vectors * layout.lanes + kSpan * layout.values();
  }
  int64_t shared_size() const {  // in whole registers: the next slot keeps its alignment
    const int64_t size = splits_images() ? layout.length * layout.routes * layout.values() : 0;
    return (size + layout.lanes - 1) / layout.lanes * layout.lanes;
  }
  int64_t slot_size() const { return weights_size() + delta_size() + states_size() + span_size() + shared_size(); }
};

constexpr int64_t kShares = 64;  // tasks of a forward pass at most, each with its own workspace; as many as threads
constexpr int64_t kChunk = 256;  // pixels of x_dbl that are staged together

// The workspace of the forward pass: [x_dbl of the batch in float32] and a share each of [states | u | y of one block];
// a map that is float32, channels side by side, in whole registers is used where it lies.
struct Staging {
  Layout layout;
  bool x, u, y;  // whether it passes through the workspace
  int64_t batch;

  Staging(const ss2d_params& p, int64_t lanes) : layout(p, lanes), batch(p.batch) {
    const bool ragged = p.d_inner % lanes != 0;
    x = p.x_dbl_dtype != SS2D_FLOAT32 || p.x_dbl_strides.channel != 1;
    u = ragged || p.u_dtype != SS2D_FLOAT32 || p.u_strides.channel != 1;
    y = ragged || p.y_dtype != SS2D_FLOAT32 || p.y_strides.channel != 1;
  }

  int64_t x_values() const { return layout.routes * (layout.rank + 2 * layout.states); }
  int64_t x_row() const { return (x_values() + layout.lanes - 1) / layout.lanes * layout.lanes; }
  int64_t x_size() const { return x ? batch * layout.length * x_row() : 0; }
  int64_t chunks() const { return (layout.length + kChunk - 1) / kChunk; }
  int64_t stage_tasks() const { return batch * chunks(); }
  int64_t items() const { return batch * layout.blocks; }
  int64_t shares() const { return items() < kShares ? items() : kShares; }
  int64_t strip_size() const { return layout.length * layout.lanes; }
  int64_t share_size() const { return layout.state_size() + (u + y) * strip_size(); }
  int64_t size() const { return x_size() + shares() * share_size(); }
};

}  // namespace
}  // namespace ss2d

#endif
