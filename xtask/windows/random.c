/* ProcessPrng of bcryptprimitives.dll, which Wine 8 lacks and Rust's standard library calls. */
#include <windows.h>

/* RtlGenRandom, by the name that advapi32 exports it under. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG bytes);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T bytes)
{
    const SIZE_T most = 1u << 28;

    while (bytes > 0) {
        ULONG some = (ULONG)(bytes < most ? bytes : most);

        if (!SystemFunction036(buffer, some))
            return FALSE;
        buffer += some;
        bytes -= some;
    }
    return TRUE;
}
