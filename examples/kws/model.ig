# Keyword spotting: the DS-CNN of MLPerf Tiny, batch normalization kept. Input: 49 frames of 10 MFCCs.
weights "../../../shared/data/kws/weights.safetensors"

block separable(x, n) {                 # n numbers its first convolution
  dw = relu(batch_norm(depthwise_conv2d(x, kernel: 3, pad: 1, name: "/dwconv{n}"), eps: 0.001, name: "/bn{n}"), name: "/relu{n}")
  pw = conv2d(dw, filters: 64, kernel: 1, name: "/conv{n+1}")
  return relu(batch_norm(pw, eps: 0.001, name: "/bn{n+1}"), name: "/relu{n+1}")
}

model kws(x: f32[1, 1, 49, 10]) -> (probs: f32[1, 12]) {
  conv0 = conv2d(x, filters: 64, kernel: [10, 4], stride: 2, pad: [4, 1, 5, 1])
  h = relu(batch_norm(conv0, eps: 0.001, name: "bn0"), name: "relu0")
  repeat 4 as i { h = separable(h, n: 2*i + 1) }
  pool = avg_pool2d(h, kernel: [24, 5])
  fc = linear(flatten(pool), units: 12)
  probs = softmax(fc)
}
