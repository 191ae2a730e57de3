# Golden diagnostics of the language; run.py --update rewrites the expectations.
find_package(Python3 COMPONENTS Interpreter REQUIRED)
add_test(NAME lang.diagnostics COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/lang/run.py $<TARGET_FILE:intaglio> inspect)
set_tests_properties(lang.diagnostics PROPERTIES LABELS lang)
add_test(NAME lang.reread COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/lang/reread.py $<TARGET_FILE:intaglio> ${CMAKE_SOURCE_DIR}/examples/digits)
set_tests_properties(lang.reread PROPERTIES LABELS lang)
