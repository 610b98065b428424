# What a program for Windows on x86-64 needs of a C run-time: a probe of the stack, storage for
# threads, and the names that the compiler refers to. For tests under Wine.

        .text
# Touches every page of a large frame, in order; %rax holds its bytes and stays.
        .globl  __chkstk
__chkstk:
        pushq   %rcx
        pushq   %rax
        leaq    24(%rsp), %rcx
next:   cmpq    $4096, %rax
        jb      rest
        subq    $4096, %rcx
        orb     $0, (%rcx)
        subq    $4096, %rax
        jmp     next
rest:   subq    %rax, %rcx
        orb     $0, (%rcx)
        popq    %rax
        popq    %rcx
        ret

        .data
        .globl  _fltused, _tls_index
_fltused:
        .long   0x9875
_tls_index:
        .long   0

# The virtual table of type_info, which the description of a panic refers to.
        .section .rdata, "dr"
        .globl  "??_7type_info@@6B@"
        .p2align 3
"??_7type_info@@6B@":
        .quad   0, 0

# Storage of threads: where it begins and ends, and the directory that the loader reads.
        .section .tls, "dw"
        .p2align 3
tls_begin:
        .quad   0
        .section .tls$ZZZ, "dw"
tls_end:
        .quad   0
        .section .CRT$XLA, "dr"
        .p2align 3
callbacks:
        .quad   0
        .section .CRT$XLZ, "dr"
        .p2align 3
        .quad   0
        .section .rdata$T, "dr"
        .globl  _tls_used
        .p2align 3
_tls_used:
        .quad   tls_begin, tls_end, _tls_index, callbacks + 8
        .long   0, 0
