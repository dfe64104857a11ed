// Maps that the scan cannot use where they lie, because of their type, their layout or a last block that is not full:
// copied to and from float32 rows in the workspace, a pixel a row.
#ifndef VMAMBA_CPU_STAGE_H
#define VMAMBA_CPU_STAGE_H

#include "convert.h"
#include "kernel.h"
#include "lanes.h"

namespace {

// Some channels of a map of one image.
struct Map {
  void* data;
  int32_t dtype;
  float scale;
  int64_t pixel_stride, channel_stride, channels;
};

SS2D_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// A whole register of float32 at each pixel: the scan needs no copy.
inline bool is_in_place(const Map& map) {
  return map.dtype == SS2D_FLOAT32 && map.channel_stride == 1 && map.channels == kLanes;
}

// Neighbours in memory are read together: channels, or pixels where the channels are apart.
inline bool reads_pixels(const Map& map) { return map.channel_stride != 1 && map.pixel_stride == 1; }

// rows[p][c] = the map's value of channel c at pixel `first` + p; zeros up to a whole register.
template <typename Stored>
void gather_as(const Map& map, int64_t first, int64_t pixels, float* rows, int64_t row) {
  const Stored* from = static_cast<const Stored*>(map.data) + first * map.pixel_stride;
  if (!reads_pixels(map)) {
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t c = 0; c < map.channels; c += kLanes)
        store(rows + p * row + c, read(from + p * map.pixel_stride + c * map.channel_stride, map.channel_stride,
                                       smaller(kLanes, map.channels - c), map.scale));
    return;
  }
  const int64_t count = smaller(kLanes, pixels);
  for (int64_t tile = 0; tile < pixels; tile += kLanes) {
    const int64_t p = smaller(tile, pixels - count);  // the last tile overlaps the one before
    for (int64_t c = 0; c < map.channels; c += kLanes) {
      Vec square[kLanes] = {};
      for (int i = 0; i < kLanes; ++i)
        if (c + i < map.channels) square[i] = read(from + p + (c + i) * map.channel_stride, 1, count, map.scale);
      transpose(square);
      for (int j = 0; j < kLanes; ++j)
        if (j < count) store(rows + (p + j) * row + c, square[j]);
    }
  }
}

// The other way, rows of one register.
template <typename Stored>
void scatter_as(const float* rows, int64_t pixels, const Map& map) {
  Stored* to = static_cast<Stored*>(map.data);
  if (!reads_pixels(map)) {
    for (int64_t p = 0; p < pixels; ++p)
      write(to + p * map.pixel_stride, map.channel_stride, map.channels, map.scale, load(rows + p * kLanes));
    return;
  }
  const int64_t count = smaller(kLanes, pixels);
  for (int64_t tile = 0; tile < pixels; tile += kLanes) {
    const int64_t p = smaller(tile, pixels - count);  // the last tile overlaps the one before
    Vec square[kLanes] = {};
    for (int j = 0; j < kLanes; ++j)
      if (j < count) square[j] = load(rows + (p + j) * kLanes);
    transpose(square);
    for (int i = 0; i < kLanes; ++i)
      if (i < map.channels) write(to + p + i * map.channel_stride, 1, count, map.scale, square[i]);
  }
}

inline void gather(const Map& map, int64_t first, int64_t pixels, float* rows, int64_t row) {
  const auto as = map.dtype == SS2D_FLOAT32   ? gather_as<float>
                  : map.dtype == SS2D_FLOAT16 ? gather_as<Half>
                                              : gather_as<int8_t>;
  as(map, first, pixels, rows, row);
}

inline void scatter(const float* rows, int64_t pixels, const Map& map) {
  const auto as = map.dtype == SS2D_FLOAT32   ? scatter_as<float>
                  : map.dtype == SS2D_FLOAT16 ? scatter_as<Half>
                                              : scatter_as<int8_t>;
  as(rows, pixels, map);
}

inline int64_t bytes_from_dtype(int32_t dtype) {
  return dtype == SS2D_FLOAT32 ? sizeof(float) : dtype == SS2D_FLOAT16 ? sizeof(Half) : sizeof(int8_t);
}

// Channels [first, first + channels) of one image.
inline Map map_of(const void* data, int32_t dtype, float scale, const ss2d_strides& strides, int64_t image,
                  int64_t first, int64_t channels) {
  const int64_t offset = image * strides.batch + first * strides.channel;
  char* from = const_cast<char*>(static_cast<const char*>(data)) + offset * bytes_from_dtype(dtype);
  return {from, dtype, scale, strides.pixel, strides.channel, channels};
}

// x_dbl of one chunk of pixels, all routes.
void stage(const ss2d_params& p, float* workspace, int64_t task) {
  const ss2d::Staging staging(p, kLanes);
  const int64_t image = task / staging.chunks(), first = task % staging.chunks() * ss2d::kChunk;
  const Map x = map_of(p.x_dbl, p.x_dbl_dtype, p.x_dbl_scale, p.x_dbl_strides, image, 0, staging.x_values());
  const int64_t length = staging.layout.length, pixels = smaller(ss2d::kChunk, length - first);
  gather(x, first, pixels, workspace + (image * length + first) * staging.x_row(), staging.x_row());
}

}  // namespace

#endif
