# Person or not: the MobileNetV1 (width 0.25, 96x96) of MLPerf Tiny, batch normalization kept. Input: raw bytes of the image.
# The layers have the names of the Keras model: they are those that unnamed layers get here too.
weights "../../../shared/data/vww/weights_bn.safetensors"

# n: which of the 13 separable convolutions, from 1
block separable(x, filters, stride, pad, n) {
  dw = depthwise_conv2d(x, kernel: 3, stride: stride, pad: pad, name: "/depthwise_conv2d")
  dw = relu(batch_norm(dw, eps: 0.001, name: "/batch_normalization_{2*n - 1}"))
  pw = conv2d(dw, filters: filters, kernel: 1, name: "/conv2d_{n}")
  return relu(batch_norm(pw, eps: 0.001, name: "/batch_normalization_{2*n}"))
}

block whole(x, filters, n) {
  return separable(x, filters, stride: 1, pad: 1, n: n)
}

block half(x, filters, n) {            # the padding of TensorFlow's SAME: nothing before, one after
  return separable(x, filters, stride: 2, pad: [0, 0, 1, 1], n: n)
}

model vww(image: u8[1, 3, 96, 96] nhwc) -> (probs: f32[1, 2]) {
  x = normalize(image, scale: 255)
  c = conv2d(x, filters: 8, kernel: 3, stride: 2, pad: [0, 0, 1, 1], name: "conv2d")
  h = relu(batch_norm(c, eps: 0.001, name: "batch_normalization"))
  h = whole(h, 16, n: 1)
  h = half(h, 32, n: 2)
  h = whole(h, 32, n: 3)
  h = half(h, 64, n: 4)
  h = whole(h, 64, n: 5)
  h = half(h, 128, n: 6)
  repeat 5 as i { h = whole(h, 128, n: 7 + i) }
  h = half(h, 256, n: 12)
  h = whole(h, 256, n: 13)
  dense = linear(flatten(global_avg_pool(h)), units: 2)
  probs = softmax(dense)
}
