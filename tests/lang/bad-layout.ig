model m(x: u8[1, 3, 8, 8] nhcw) -> (y: f32[1, 3, 8, 8]) {
  y = normalize(x)
}
