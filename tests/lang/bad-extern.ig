extern blur(x)
