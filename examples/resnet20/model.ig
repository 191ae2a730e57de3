# CIFAR-10: ResNet-20 with option-A shortcuts (every second pixel, channels padded with zeros), batch normalization kept.
weights "../../../shared/data/cifar10/resnet20.safetensors"

block basic(x, filters, stride, shortcut) {
  y = relu(batch_norm(conv2d(x, filters: filters, kernel: 3, stride: stride, pad: 1, name: "conv1"), name: "bn1"), name: "relu1")
  y = batch_norm(conv2d(y, filters: filters, kernel: 3, pad: 1, name: "conv2"), name: "bn2")
  return relu(add(y, shortcut), name: "relu2")
}

# The first block of a stage: half the picture, twice the channels.
block down(x, filters, stage) {
  sub = slice(x, starts: [0, 0], ends: [32, 32], axes: [2, 3], steps: [2, 2], name: "/layer{stage}.0.sub")
  padc = pad(sub, pads: [0, filters/4, 0, 0, 0, filters/4, 0, 0], name: "/layer{stage}.0.padc")
  return basic(x, filters, 2, padc, name: "/layer{stage}.0")
}

model resnet20(image: u8[1, 3, 32, 32] nhwc) -> (logits: f32[1, 10]) {
  x = normalize(image, scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])
  h = relu(batch_norm(conv2d(x, filters: 16, kernel: 3, pad: 1, name: "conv1"), name: "bn1"), name: "relu0")
  repeat 3 as i { h = basic(h, 16, 1, h, name: "layer1.{i}") }
  h = down(h, filters: 32, stage: 2)
  repeat 2 as i { h = basic(h, 32, 1, h, name: "layer2.{i+1}") }
  h = down(h, filters: 64, stage: 3)
  repeat 2 as i { h = basic(h, 64, 1, h, name: "layer3.{i+1}") }
  logits = linear(flatten(global_avg_pool(h)), units: 10, name: "linear")
}
