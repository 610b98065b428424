# Where a library for Windows on x86-64 begins: there is nothing to do. For tests under Wine.

        .text
        .globl  _DllMainCRTStartup
_DllMainCRTStartup:
        movl    $1, %eax
        ret
