weights "odd.safetensors"
model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  c = concat(x, x, x, x, axis: 1)
  y = batch_norm(c, name: "bn")
}
