# Words of the language are names wherever they can be; statements end at newlines outside of brackets.
block block(model, weights, type) { return relu(
    model,
    name: "match{type}",   # a comment inside
  ) }

model quantize(layer: f32[1, 1, 6, 6],) -> (default: f32[1, 1, 6, 6]) {
  order = layer
  repeat 2*(3 - 2) as as { order = block(order, 0, type: as % 2 - -1, name: "/b") }
  default = order
}
