# CIFAR-10: the ResNet-8 of MLPerf Tiny, batch normalization kept. Input: raw bytes of the image; layer names are those of the Keras model.
weights "../../../shared/data/cifar10/resnet8_bn.safetensors"

block conv_bn(x, filters, stride, pad, conv, bn) {
  c = conv2d(x, filters: filters, kernel: 3, stride: stride, pad: pad, name: conv)
  return batch_norm(c, eps: 0.001, name: bn)
}

# A stage that halves the picture: two 3x3 convolutions beside a 1x1 convolution of stride 2. n numbers its first convolution, b its first normalization.
block stage(x, filters, n, b) {
  y = relu(conv_bn(x, filters, 2, [0, 0, 1, 1], "/conv2d_{n}", "/batch_normalization_{b}"))
  y = conv_bn(y, filters, 1, 1, "/conv2d_{n+1}", "/batch_normalization_{b+1}")
  shortcut = conv2d(x, filters: filters, kernel: 1, stride: 2, name: "/conv2d_{n+2}")
  return relu(add(shortcut, y))
}

model resnet8(image: u8[1, 3, 32, 32] nhwc) -> (probs: f32[1, 10]) {
  x = normalize(image)                       # the network takes 0..255 as they are
  x = relu(conv_bn(x, 16, 1, 1, "/conv2d", "/batch_normalization"))
  y = relu(conv_bn(x, 16, 1, 1, "/conv2d_1", "/batch_normalization_1"))
  y = conv_bn(y, 16, 1, 1, "/conv2d_2", "/batch_normalization_2")
  h = relu(add(x, y))
  h = stage(h, filters: 32, n: 3, b: 3)
  h = stage(h, filters: 64, n: 6, b: 5)
  dense = linear(flatten(global_avg_pool(h)), units: 10)
  probs = softmax(dense)
}
