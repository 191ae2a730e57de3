model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  y = avg_pool2d(x, kernel: 3, count_include_pad: 1, ceil_mode: yes)
}
