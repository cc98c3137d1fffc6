/* Functions without call frame information; fp_ ones keep a frame pointer, bare_ ones nothing. */
	.text

	.globl fp_outer
	.type fp_outer, @function
fp_outer:
	push %rbp
	mov %rsp, %rbp
	sub $48, %rsp
	call *%rdi
	leave
	ret
	.size fp_outer, . - fp_outer

	.globl fp_leaf
	.type fp_leaf, @function
fp_leaf:
	push %rbp
	mov %rsp, %rbp
	mov $40000, %ecx
1:	dec %ecx
	jnz 1b
	pop %rbp
	ret
	.size fp_leaf, . - fp_leaf

	.globl bare_leaf
	.type bare_leaf, @function
bare_leaf:
	sub $56, %rsp
	mov $40000, %ecx
1:	dec %ecx
	jnz 1b
	add $56, %rsp
	ret
	.size bare_leaf, . - bare_leaf

	.globl bare_outer
	.type bare_outer, @function
bare_outer:
	sub $72, %rsp
	call bare_calls
	add $72, %rsp
	ret
	.size bare_outer, . - bare_outer

	.globl bare_calls
	.type bare_calls, @function
bare_calls:
	sub $24, %rsp
	call *%rdi
	add $24, %rsp
	ret
	.size bare_calls, . - bare_calls

	.section .note.GNU-stack, "", @progbits
