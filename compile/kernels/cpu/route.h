// Where the data of one scan lie: the pixels of a route in order, and the channels of a block at a pixel.
#ifndef VMAMBA_CPU_ROUTE_H
#define VMAMBA_CPU_ROUTE_H

#include "kernel.h"
#include "vector.h"

namespace {

// Walks the pixels of a route: 0 rows, 1 columns, 2 rows reversed, 3 columns reversed.
class Route {
 public:
  Route(int route, int64_t height, int64_t width) {
    const bool columns = route % 2 != 0, reversed = route >= 2;
    line_ = left_ = columns ? height : width;
    step_ = columns ? width : 1;
    jump_ = columns ? 1 - (height - 1) * width : 1;
    if (reversed) {
      pixel_ = height * width - 1;
      step_ = -step_;
      jump_ = -jump_;
    }
  }

  SS2D_INLINE int64_t next() {
    const int64_t pixel = pixel_;
    const bool end = --left_ == 0;
    pixel_ += end ? jump_ : step_;
    left_ = end ? line_ : left_;
    return pixel;
  }

 private:
  int64_t pixel_ = 0, step_, jump_, line_, left_;
};

// Up to kLanes channels of a map of one image. kWhole: exactly kLanes, side by side.
template <bool kWhole, typename Float>
struct Channels {
  Float* data;
  int64_t pixel_stride, channel_stride, count;

  SS2D_INLINE Vec at(int64_t pixel) const {
    Float* from = data + pixel * pixel_stride;
    if (kWhole) return load(from);
    Vec v = {};
    for (int64_t i = 0; i < count; ++i) v[i] = from[i * channel_stride];
    return v;
  }

  SS2D_INLINE void put(int64_t pixel, Vec v) const {
    Float* to = data + pixel * pixel_stride;
    if (kWhole) return store(to, v);
    for (int64_t i = 0; i < count; ++i) to[i * channel_stride] = v[i];
  }
};

template <bool kWhole, typename Float>
SS2D_INLINE Channels<kWhole, Float> channels_of(Float* data, const ss2d_strides& strides, int64_t image, int64_t block,
                                                int64_t d_inner) {
  const int64_t first = block * kLanes, left = d_inner - first;
  return {data + image * strides.batch + first * strides.channel, strides.pixel, strides.channel,
          left < kLanes ? left : kLanes};
}

inline ss2d::Layout layout_of(const ss2d_params& p) { return ss2d::Layout(p, kLanes); }

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

// Whether a block has all its channels.
inline bool is_whole(const ss2d_params& p, int64_t block) { return (block + 1) * kLanes <= p.d_inner; }

}  // namespace

#endif
