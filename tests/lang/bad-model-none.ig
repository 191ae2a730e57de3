block f(x) { return relu(x) }
