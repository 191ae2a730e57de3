quantize { default skip }
quantize { default skip }
