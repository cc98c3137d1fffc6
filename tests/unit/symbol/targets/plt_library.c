/* A library whose only function has a name of C++. */
int there(void) __asm__("_ZN4glim5thereEv");

int there(void)
{
	return 1;
}
