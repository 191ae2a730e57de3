# Quantized operators against ONNX Runtime's and PyTorch's, bit for bit (docs/numerics.md).
find_program(IG_PYTHON3 python3)
foreach(peer onnxruntime torch float shape)
  add_test(NAME peers.${peer} COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/${peer}_ops.py --intaglio $<TARGET_FILE:intaglio>)
  set_tests_properties(peers.${peer} PROPERTIES LABELS peers SKIP_RETURN_CODE 77 TIMEOUT 900)
endforeach()
