weights "tiny.safetensors"

model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  y = linear(flatten(x), units: 3, name: "fc")
}
