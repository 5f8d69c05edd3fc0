# pgweir_house carries the flags every target of ours is built with.
add_library(pgweir_house INTERFACE)
target_include_directories(pgweir_house INTERFACE ${CMAKE_SOURCE_DIR})
# Where it knows from a profile what to inline, GCC 12 warns falsely of writes past the end.
target_compile_options(pgweir_house INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
  $<$<NOT:$<BOOL:${PGWEIR_PROFILE}>>:-Werror> -fno-plt)
if(PGWEIR_SANITIZE)
  add_compile_options(-fsanitize=${PGWEIR_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PGWEIR_SANITIZE})
  # With sanitizers GCC 12 takes parts of std::regex for uninitialized.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER AND NOT PGWEIR_PROFILE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()

# pgweir_room(NAME DIR...): a static library of every .cpp in the rooms named. A file that lies in a room belongs to its
# library, so that adding one means adding one file.
function(pgweir_room name)
  set(sources)
  foreach(room IN LISTS ARGN)
    file(GLOB room_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${room}/*.cpp)
    list(APPEND sources ${room_sources})
  endforeach()
  if(NOT sources)
    file(WRITE ${CMAKE_BINARY_DIR}/${name}_empty.cpp "")
    set(sources ${CMAKE_BINARY_DIR}/${name}_empty.cpp)
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC pgweir_house)
endfunction()

# pgweir_profiled(TARGET...): what the data path consists of. scripts/build-profiled builds it twice: with counters, which a
# load then feeds and which end beside the object files, and by those counts. What no load has run is optimized as ever.
function(pgweir_profiled)
  foreach(target IN LISTS ARGN)
    if(PGWEIR_PROFILE STREQUAL "generate")
      target_compile_options(${target} PRIVATE -fprofile-generate -fprofile-update=atomic)
      target_link_options(${target} PUBLIC -fprofile-generate)
    elseif(PGWEIR_PROFILE STREQUAL "use")
      target_compile_options(${target} PRIVATE -fprofile-use -fprofile-partial-training -Wno-missing-profile)
    endif()
  endforeach()
endfunction()

# pgweir_test(NAME DIR...): one doctest program of every *_test.cpp in the folders named.
function(pgweir_test name)
  set(sources)
  foreach(room IN LISTS ARGN)
    file(GLOB room_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${room}/*_test.cpp)
    list(APPEND sources ${room_sources})
  endforeach()
  if(sources)
    add_executable(${name} ${sources} ${CMAKE_SOURCE_DIR}/tests/support/doctest_main.cpp)
    target_link_libraries(${name} PRIVATE pgweir_house)
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  endif()
endfunction()
