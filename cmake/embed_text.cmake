# cmake -DFROM=page.html -DTO=page.cpp -DNAME=page_html -P embed_text.cmake
# Writes a source file that holds a text file's contents. Pieces, because compilers limit the length of a literal.
file(READ "${FROM}" text)
string(LENGTH "${text}" length)
set(pieces "")
set(at 0)
while(at LESS length)
  string(SUBSTRING "${text}" ${at} 8000 piece)
  string(APPEND pieces "R\"pgweir_text(${piece})pgweir_text\"\n")
  math(EXPR at "${at} + 8000")
endwhile()
file(WRITE "${TO}" "// Made by embed_text.cmake.\n#include <string_view>\nnamespace pgweir {\nextern const std::string_view ${NAME};\nconst std::string_view ${NAME} =\n${pieces};\n}\n")
