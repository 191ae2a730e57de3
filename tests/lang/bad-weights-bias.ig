weights "tiny.safetensors"

model m(x: f32[1, 1, 6, 6]) -> (y: f32[1, 1, 6, 6]) {
  y = depthwise_conv2d(conv2d(x, name: "conv0"), kernel: 3, bias: true, name: "dw")
}
