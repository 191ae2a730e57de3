# Handwritten digits of 8x8 pixels, 0 (white) to 16 (black): a small residual network. train.py makes the weights.
weights "weights.safetensors"

block residual(x, filters) {
  conv1 = conv2d(x, filters: filters, kernel: 3, pad: same)
  h = relu(batch_norm(conv1, name: "bn1"))
  conv2 = conv2d(h, filters: filters, kernel: 3, pad: same)
  return relu(add(batch_norm(conv2, name: "bn2"), x))
}

model digits(image: u8[1, 1, 8, 8] nhwc) -> (probs: f32[1, 10]) {
  x = normalize(image, scale: 16)
  conv1 = conv2d(x, filters: 16, kernel: 3, pad: same)
  h = relu(batch_norm(conv1, name: "bn1"))
  h = residual(h, filters: 16, name: "res")
  dw = depthwise_conv2d(h, kernel: 3, stride: 2, pad: 1)
  h = relu(batch_norm(dw, name: "dw_bn"))
  pw = conv2d(h, filters: 32, kernel: 1)
  h = relu(batch_norm(pw, name: "pw_bn"))
  h = max_pool2d(h, kernel: 2, stride: 2)
  fc = linear(flatten(h), units: 10)
  probs = softmax(fc)
}
