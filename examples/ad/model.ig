# Anomaly detection: the autoencoder of MLPerf Tiny. Input: five log-mel frames of 128; the anomaly score is the mean squared error.
weights "../../../shared/data/ad/weights.safetensors"

model ad(x: f32[1, 640]) -> (y: f32[1, 640]) {
  h = x
  repeat 9 as i { h = relu(linear(h, name: "fc{i+1}"), name: "fc{i+1}_relu") }
  y = linear(h, units: 640, name: "fc10")
}
