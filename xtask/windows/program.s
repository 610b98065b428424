# Where a program for Windows on x86-64 begins. For tests under Wine.

        .text
# The entry: main(0, NULL), then the end of the process. Rust asks Windows for its arguments.
        .globl  mainCRTStartup
mainCRTStartup:
        subq    $40, %rsp
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        call    main
        movl    %eax, %ecx
        call    *__imp_ExitProcess(%rip)
        int3
