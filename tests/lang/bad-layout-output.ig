model m(x: u8[1, 3, 8, 8] nhwc) -> (y: f32[1, 3, 8, 8] nhwc) {
  y = normalize(x)
}
