model m(x: u8[1, 3] nhwc) -> (y: f32[1, 3]) {
  y = normalize(x)
}
