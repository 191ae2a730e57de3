quantize {
  default default
  recover equalise
  recover equalize
  recover equalize
  recover gptq
  recover adaround
}
